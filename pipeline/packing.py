"""From a run's folder to archives: what builders are given, and what they made."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import contract, replay_record
from pipeline.disk import atomic_write, make_folder
from pipeline.package.archive import slug
from pipeline.package.contents import Builder, Delivery, Notes
from pipeline.package.manifest import Origin, Parent, Platform
from pipeline.report import storage
from pipeline.report.document import Report, Row
from targets.artifact import Artifact, digest
from targets.errors import UsageError

PACKAGES = "packages"


@dataclass(frozen=True)
class Made:
    """An archive that was written: where, the file's sha256 and its size."""

    path: Path
    sha256: str
    size_bytes: int


def delivery(run: Path, report: Report, row: Row) -> Delivery:
    """What builders are given, of one selected row of a run.

    Raises ArtifactError where the run's folder lacks something, or holds something else.
    """
    assert row.verdict is not None, "a candidate is judged before it is packaged"
    interface, golden = contract.read(run / contract.FOLDER / row.runtime)
    artifact = Artifact(
        path=storage.within(run, row.artifact.path),
        format=row.artifact.format,
        sha256=row.artifact.sha256,
        size_bytes=row.artifact.size_bytes,
        inputs=tuple(one.spec for one in interface.inputs),
        outputs=tuple(one.spec for one in interface.outputs),
    )
    return Delivery(
        name=report.recipe,
        title=f"{slug(report.recipe)}-{row.runtime}",
        artifact=artifact,
        golden=golden,
        description=f"{report.recipe}: {', '.join(row.lineage)}; made for {row.runtime}.",
        measurement=row.measurement,
        verdict=row.verdict,
        lineage=row.lineage,
        notes=_notes(report, row),
        interface=interface,
        replay=replay_record.members(run / contract.FOLDER / row.runtime / replay_record.FOLDER),
    )


def _notes(report: Report, row: Row) -> Notes:
    metric = report.metric.name if report.metric else next(iter(row.metrics), "accuracy")
    dense = report.dense().get(row.runtime)
    origin = Origin(
        recipe=report.recipe,
        device=report.device,
        tools=report.tools,
        parent=_parent(dense) if dense else None,
    )
    return Notes(metrics=row.metrics, metric=metric, per_class=row.per_class, origin=origin)


def _parent(dense: Row) -> Parent:
    return Parent(
        name=dense.name,
        sha256=dense.artifact.sha256,
        size_bytes=dense.artifact.size_bytes,
        metrics=dense.metrics,
        per_class=dense.per_class,
    )


def builder(platform: Platform, device: str | None = None, ai_pack: bool = False) -> Builder:
    """What makes the archives of a platform; it loads when it is asked for.

    Args:
        platform: what for.
        device: the profile whose limits a microcontroller's package is judged by.
        ai_pack: whether an Android app gets the model as a Play AI pack.

    Raises UsageError for what the platform has no use for.
    """
    if device is not None and platform != "mcu":
        raise UsageError(f"--device: found '{device}'; allowed: with --for mcu alone")
    if ai_pack and platform != "android":
        raise UsageError(f"--ai-pack: found with --for {platform}; allowed: with --for android")
    match platform:
        case "android":
            from pipeline.package.android.build import build as android

            return lambda delivery, signer: android(delivery, signer, ai_pack)
        case "ios":
            from pipeline.package.ios.build import build as ios

            return ios
        case "linux":
            from pipeline.package.linux.build import build as linux

            return linux
        case "mcu":
            from pipeline.package.mcu.build import DEVICE
            from pipeline.package.mcu.build import build as mcu

            return lambda delivery, signer: mcu(delivery, signer, device or DEVICE)


def write(archives: Mapping[str, bytes], folder: Path) -> tuple[Made, ...]:
    """Writes archives into a folder, each whole or not at all; it is made if it is not there.

    Raises EnvironmentFault where the disk refuses.
    """
    make_folder(folder)
    made = []
    for name, content in archives.items():
        path = folder / name
        atomic_write(path, content)
        made.append(Made(path, *digest([path])))
    return tuple(made)
