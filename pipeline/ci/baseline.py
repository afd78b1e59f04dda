"""The baseline of a regression: what a finished run delivered for a runtime, found by its sha256.

A run's folder comes from elsewhere (a cache, an artifact of another job): its report is checked as
every report is, its paths lead nowhere else, and a file counts only with the sha256 that it names.
"""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from pipeline.report import storage
from pipeline.report.document import Report, Row
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, digest, files_of
from targets.device import DeviceProfile
from targets.errors import ArtifactError, UsageError


@dataclass(frozen=True)
class Baseline:
    """A run's selected artifact for a runtime.

    Attributes:
        run: the run's folder.
        recipe: the run's recipe.
        row: its row in the report: what was measured then.
        path: the artifact's file; None where it is not there any more.
        missing: why it is not.
    """

    run: Path
    recipe: str
    row: Row
    path: Path | None
    missing: str = ""


def find(run: Path, runtime: str, device: DeviceProfile) -> Baseline:
    """The baseline for a model of this runtime on this device.

    Args:
        run: a run's folder, or its report.json.
        runtime: that of the new model.
        device: where both will be measured.

    Raises:
        ArtifactError: there is no report, or it can't be read.
        UsageError: it is of another device, or has no artifact for the runtime.
    """
    folder = run.parent if run.name == storage.REPORT else run
    report = storage.read(folder)
    _same_device(report, folder, device)
    chosen = report.selected()
    if runtime not in chosen:
        raise UsageError(
            f"baseline {folder} has no artifact for {runtime}, which runs the new model; it has "
            f"them for: {', '.join(chosen) or 'none'}. Give the run that has one, or the model's "
            "file in one of these formats"
        )
    row = chosen[runtime]
    path = next(_of_digest(folder, row), None)
    return Baseline(folder, report.recipe, row, path, "" if path else _missing(folder, row))


def _same_device(report: Report, folder: Path, device: DeviceProfile) -> None:
    if report.device != device.name:
        raise UsageError(
            f"baseline {folder} is of the device '{report.device}', and this check is on "
            f"'{device.name}'; give --device {report.device}, or a run on '{device.name}'"
        )


def _of_digest(folder: Path, row: Row) -> Iterator[Path]:
    """The files below the folder that are the row's artifact, the one at its own path first."""
    for path in (_stated(folder, row), *_others(folder, row)):
        if path is not None and _digest_of(path) == row.artifact.sha256:
            yield path


def _stated(folder: Path, row: Row) -> Path | None:
    """Where the report says that it is. Raises ArtifactError for a path out of the folder."""
    parts = PurePosixPath(row.artifact.path)
    if parts.is_absolute() or ".." in parts.parts:
        raise ArtifactError(
            f"{folder / storage.REPORT}: the artifact's path '{row.artifact.path}' leads out of "
            "the run's folder"
        )
    return folder / parts


def _others(folder: Path, row: Row) -> Iterator[Path]:
    """Every file of the format, nearest to the top first; steps keep copies of what was moved."""
    suffix = SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[row.runtime]]
    found = (path for path in folder.rglob(f"*{suffix}") if path.is_file())
    yield from sorted(found, key=lambda path: (len(path.parts), str(path)))


def _digest_of(path: Path) -> str | None:
    try:
        return digest(files_of(path))[0]
    except (ArtifactError, OSError):
        return None


def _missing(folder: Path, row: Row) -> str:
    stated = folder / row.artifact.path
    there = "holds another file" if stated.is_file() else "is not there"
    return (
        f"the baseline's artifact (sha256 {row.artifact.sha256[:12]}…) is not in {folder}: "
        f"{row.artifact.path} {there}; keep the run's artifacts/ beside its report.json"
    )
