"""What every package holds, whatever it is for: from an artifact and what is known of it."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from importlib import metadata
from importlib.resources import files as resources
from typing import Protocol

from pydantic import JsonValue

from pipeline.package import manifest as manifests
from pipeline.package.card import model_card
from pipeline.package.golden import Golden, npy
from pipeline.package.interface import Interface
from pipeline.package.manifest import Manifest, Origin, Platform, Runtime, Signed, Vector, Vectors
from pipeline.package.sbom import EDGESMITH, Library, cyclonedx
from pipeline.report.document import MeasurementSummary, Reading, RowVerdict
from targets.artifact import Artifact, digest, files_of
from targets.errors import ArtifactError, EnvironmentFault


@dataclass(frozen=True)
class Notes:
    """What only the run knows, all of it optional.

    Attributes:
        metrics: the artifact's scores.
        metric: the one that the limits on drops speak of.
        per_class: the scores by class.
        origin: the recipe, the device, and the dense model.
    """

    metrics: Mapping[str, Reading] = field(default_factory=dict)
    metric: str = "accuracy"
    per_class: Mapping[str, Reading] = field(default_factory=dict)
    origin: Origin | None = None


@dataclass(frozen=True)
class Delivery:
    """An artifact and all that is said of it: what every builder of packages is given.

    Attributes:
        name: what the package is called; text of any kind.
        title: its folder's and file's name, made from that and the runtime: "digits-tflite".
        artifact: the model; its files must still be what its sha256 says.
        golden: vectors from the artifact itself, as this runtime ran it.
        description: one or two sentences for the model card.
        measurement: of this artifact, with its provenance.
        verdict: how it was judged.
        lineage: what was done to the model, oldest first.
        notes: what else is known.
        interface: inputs and outputs, with what is done to them.
        replay: the record of how the artifact came about and its plan files, by path; may be none.
    """

    name: str
    title: str
    artifact: Artifact
    golden: Golden
    description: str
    measurement: MeasurementSummary
    verdict: RowVerdict
    lineage: tuple[str, ...]
    notes: Notes
    interface: Interface
    replay: Mapping[str, bytes] = field(default_factory=dict)


class Signer(Protocol):
    """A private key that signs manifests."""

    @property
    def key_id(self) -> str:
        """The sha256 of the public key's 32 bytes, in hex."""

    @property
    def not_after(self) -> str | None:
        """The last day on which the signature counts, YYYY-MM-DD."""

    def sign(self, content: bytes) -> bytes:
        """The 64 bytes of the Ed25519 signature (RFC 8032)."""


class Builder(Protocol):
    """Makes the archives of one platform."""

    def __call__(self, delivery: Delivery, signer: Signer | None) -> Mapping[str, bytes]:
        """The archives' bytes by their file's name."""


def common(delivery: Delivery, libraries: Sequence[Library]) -> dict[str, bytes]:
    """The members that every package has but manifest and card, by path.

    `model/model.SUFFIX` (and its further files), `golden/input-0.npy`, `golden/output-0.npy`
    (with what the task declares, `golden/source-0.npy`), `sbom.cdx.json`, `LICENSE`, and `replay/`
    where there is a record.

    Args:
        delivery: what is packaged.
        libraries: what the package needs to run, for the bill of materials.

    Raises:
        ArtifactError: the artifact's files are missing or have changed.
        UsageError: the golden vectors do not fit the artifact.
    """
    delivery.golden.check(delivery.artifact)
    model = _model_files(delivery.artifact)
    return {
        **model,
        **{f"golden/{name}": one for name, one in golden_files(delivery.golden).items()},
        **delivery.replay,
        "LICENSE": resources("pipeline.package").joinpath("LICENSE.j2").read_bytes(),
        "sbom.cdx.json": cyclonedx(delivery.title, model, libraries, installed(EDGESMITH)),
    }


def sealed(
    delivery: Delivery,
    files: Mapping[str, bytes],
    *,
    platform: Platform,
    runtime: Runtime,
    usage: str,
    details: Mapping[str, JsonValue] | None = None,
    signer: Signer | None = None,
) -> dict[str, bytes]:
    """The files with their card, manifest, checksum and, with a signer, signature.

    Args:
        delivery: what is packaged.
        files: every other member of the package, by path; not changed.
        platform: what the package is for.
        runtime: what runs the model there.
        usage: how the package is set up and checked, in Markdown, for the card.
        details: what only this platform's manifest tells.
        signer: signs the manifest.
    """
    manifest = _manifest(delivery, platform, runtime).model_copy(
        update={"details": dict(details or {}), "signature": _signature(signer)}
    )
    card = model_card(manifest, delivery.notes.metric, usage).encode()
    whole = {**files, "MODEL_CARD.md": card}
    listed = manifest.model_copy(update={"files": manifests.listed(whole)})
    content = (listed.model_dump_json(indent=2) + "\n").encode()
    seals = {manifests.NAME: content}
    if signer is not None:
        seals[manifests.SIGNATURE] = signer.sign(content)
    digests = {name: sha256(one).hexdigest() for name, one in seals.items()}
    return {**whole, **seals, manifests.CHECKSUM: manifests.checksums(digests)}


def installed(distribution: str) -> str:
    """The version of a Python distribution; EnvironmentFault where it is not installed."""
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise EnvironmentFault(
            f"{distribution} is not installed, so its version can't be pinned; "
            f"pip install {distribution}"
        ) from None


def _manifest(delivery: Delivery, platform: Platform, runtime: Runtime) -> Manifest:
    """The manifest, its list of files still empty."""
    return Manifest(
        id=f"{delivery.title}-{delivery.artifact.sha256[:12]}",
        name=delivery.name,
        description=delivery.description,
        made_by=f"{EDGESMITH} {installed(EDGESMITH)}",
        platform=platform,
        model=_model(delivery.artifact),
        runtime=runtime,
        class_name=delivery.interface.class_name,
        inputs=delivery.interface.inputs,
        outputs=delivery.interface.outputs,
        golden=_vectors(delivery.golden, delivery.artifact),
        metrics=dict(delivery.notes.metrics),
        per_class=dict(delivery.notes.per_class),
        origin=delivery.notes.origin,
        measurement=delivery.measurement.model_copy(update={"samples_path": None}),
        verdict=delivery.verdict,
        lineage=delivery.lineage,
        replay=manifests.REPLAY if manifests.REPLAY in delivery.replay else manifests.NO_RECORD,
        files=(),
    )


def _signature(signer: Signer | None) -> object:
    if signer is None:
        return manifests.UNSIGNED
    return Signed(key_id=signer.key_id, not_after=signer.not_after)


def _model(artifact: Artifact) -> manifests.Model:
    return manifests.Model(
        path=f"model/model{artifact.path.suffix}",
        format=artifact.format,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
    )


def _model_files(artifact: Artifact) -> dict[str, bytes]:
    paths = files_of(artifact.path)
    found = digest(paths)
    if found != (artifact.sha256, artifact.size_bytes):
        raise ArtifactError(
            f"{artifact.path}: the file has changed since it was measured: sha256 {found[0]}, "
            f"not {artifact.sha256}; run the recipe again"
        )
    return {f"model/model{path.suffix}": path.read_bytes() for path in paths}


def golden_files(golden: Golden) -> dict[str, bytes]:
    """The vectors as .npy files, by name: input-0.npy, output-0.npy, source-0.npy and so on."""
    kinds = {"source": golden.sources, "input": golden.inputs, "output": golden.outputs}
    return {
        f"{kind}-{index}.npy": npy(array)
        for kind, arrays in kinds.items()
        for index, array in enumerate(arrays)
    }


def _vectors(golden: Golden, artifact: Artifact) -> Vectors:
    def named(kind: str, count: int) -> tuple[Vector, ...]:
        return tuple(Vector(path=f"golden/{kind}-{index}.npy") for index in range(count))

    outputs = zip(named("output", len(golden.outputs)), golden.tolerances(artifact), strict=True)
    return Vectors(
        samples=len(golden.inputs[0]),
        sources=named("source", len(golden.sources)),
        inputs=named("input", len(golden.inputs)),
        outputs=tuple(one.model_copy(update={"tolerance": most}) for one, most in outputs),
    )
