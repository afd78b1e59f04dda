"""Builds the Linux package of one artifact: a deterministic .tar.gz that checks itself."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from importlib import metadata
from importlib.resources import files as resources
from pathlib import Path

from pipeline.package import manifest as manifests
from pipeline.package.archive import tar_gz
from pipeline.package.card import model_card
from pipeline.package.golden import Golden, npy
from pipeline.package.manifest import InputNotes, Manifest, Vector, Vectors
from pipeline.package.sbom import EDGESMITH, cyclonedx
from pipeline.report.document import MeasurementSummary, Reading, RowVerdict
from pipeline.workspace import atomic_write
from targets.artifact import Artifact, digest, files_of
from targets.errors import ArtifactError, EnvironmentFault

DISTRIBUTIONS = {"tflite": "ai-edge-litert", "openvino": "openvino", "onnxruntime": "onnxruntime"}
SHIPPED = {"run.py": "run.py", "install.sh": "install.sh.j2", "LICENSE": "LICENSE.j2"}


@dataclass(frozen=True)
class Notes:
    """What only the task or the run knows, all of it optional.

    Attributes:
        metrics: the artifact's scores.
        metric: the one that the limits on drops speak of.
        labels: the names of the first output's last axis.
        inputs: layout and normalization by the input's name.
    """

    metrics: Mapping[str, Reading] = field(default_factory=dict)
    metric: str = "accuracy"
    labels: tuple[str, ...] | None = None
    inputs: Mapping[str, InputNotes] = field(default_factory=dict)


NOTHING_ELSE = Notes()


def package_linux(
    artifact: Artifact,
    folder: Path,
    *,
    name: str,
    description: str,
    golden: Golden,
    measurement: MeasurementSummary,
    verdict: RowVerdict,
    lineage: Sequence[str],
    notes: Notes = NOTHING_ELSE,
) -> Path:
    """Writes NAME-RUNTIME.tar.gz into the folder and returns its path.

    The same arguments and the same installed versions give the same bytes.

    Args:
        artifact: the model; its files must still be what its sha256 says.
        folder: where the archive goes; made if it is not there.
        name: what the package is called; its file's name is made from it.
        description: one or two sentences for the model card.
        golden: vectors from the artifact itself, as this runtime ran it.
        measurement: of this artifact, with its provenance.
        verdict: how it was judged.
        lineage: what was done to the model, oldest first.
        notes: what else is known.

    Raises:
        ArtifactError: the artifact's files are missing or have changed.
        UsageError: the golden vectors do not fit the artifact.
        EnvironmentFault: the runtime is not installed, or the disk refuses.
    """
    golden.check(artifact)
    title = f"{slug(name)}-{artifact.runtime}"
    stated = _Stated(name, description, measurement, verdict, tuple(lineage), notes)
    model = _model_files(artifact)
    requirements = _requirements(artifact.runtime)
    files = {**model, **_golden_files(golden), **_shipped()}
    files["requirements.txt"] = _pinned(requirements)
    files["sbom.cdx.json"] = cyclonedx(title, model, requirements, _version(EDGESMITH))
    manifest = _manifest(title, artifact, golden, stated)
    return _write(folder / f"{title}.tar.gz", title, manifest, files, notes)


@dataclass(frozen=True)
class _Stated:
    """What the caller says of the artifact."""

    name: str
    description: str
    measurement: MeasurementSummary
    verdict: RowVerdict
    lineage: tuple[str, ...]
    notes: Notes


def _manifest(title: str, artifact: Artifact, golden: Golden, stated: _Stated) -> Manifest:
    """The manifest, its list of files still empty."""
    return Manifest(
        id=f"{title}-{artifact.sha256[:12]}",
        name=stated.name,
        description=stated.description,
        made_by=f"{EDGESMITH} {_version(EDGESMITH)}",
        model=_model(artifact),
        runtime=_runtime(artifact.runtime),
        inputs=_inputs(artifact, stated.notes),
        outputs=_outputs(artifact, stated.notes),
        golden=_vectors(golden, artifact),
        metrics=dict(stated.notes.metrics),
        measurement=stated.measurement.model_copy(update={"samples_path": None}),
        verdict=stated.verdict,
        lineage=stated.lineage,
        files=(),
    )


def _write(
    path: Path, title: str, manifest: Manifest, files: dict[str, bytes], notes: Notes
) -> Path:
    files["MODEL_CARD.md"] = model_card(manifest, notes.metric).encode()
    whole = manifest.model_copy(update={"files": manifests.listed(files)})
    files["manifest.json"] = (whole.model_dump_json(indent=2) + "\n").encode()
    path.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(path, tar_gz(title, files))
    return path


def slug(name: str) -> str:
    """A name that is safe as a file's: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "model"


def _model_files(artifact: Artifact) -> dict[str, bytes]:
    paths = files_of(artifact.path)
    found = digest(paths)
    if found != (artifact.sha256, artifact.size_bytes):
        raise ArtifactError(
            f"{artifact.path}: the file has changed since it was measured: sha256 {found[0]}, "
            f"not {artifact.sha256}; run the recipe again"
        )
    return {f"model/model{path.suffix}": path.read_bytes() for path in paths}


def _golden_files(golden: Golden) -> dict[str, bytes]:
    named = [*_named("input", len(golden.inputs)), *_named("output", len(golden.outputs))]
    arrays = (*golden.inputs, *golden.outputs)
    return {path: npy(array) for path, array in zip(named, arrays, strict=True)}


def _named(kind: str, count: int) -> list[str]:
    return [f"golden/{kind}-{index}.npy" for index in range(count)]


def _vectors(golden: Golden, artifact: Artifact) -> Vectors:
    outputs = zip(_named("output", len(golden.outputs)), golden.tolerances(artifact), strict=True)
    return Vectors(
        samples=len(golden.inputs[0]),
        inputs=tuple(Vector(path=path) for path in _named("input", len(golden.inputs))),
        outputs=tuple(Vector(path=path, tolerance=tolerance) for path, tolerance in outputs),
    )


def _shipped() -> dict[str, bytes]:
    here = resources("pipeline.package.linux")
    return {name: here.joinpath(source).read_bytes() for name, source in SHIPPED.items()}


def _requirements(runtime: str) -> dict[str, str]:
    return {name: _version(name) for name in ("numpy", DISTRIBUTIONS[runtime])}


def _version(distribution: str) -> str:
    try:
        return metadata.version(distribution)
    except metadata.PackageNotFoundError:
        raise EnvironmentFault(
            f"{distribution} is not installed, so its version can't be pinned; "
            f"pip install {distribution}"
        ) from None


def _pinned(requirements: Mapping[str, str]) -> bytes:
    lines = [f"{name}=={version}\n" for name, version in sorted(requirements.items())]
    return "".join(["# The versions that the golden vectors were made with.\n", *lines]).encode()


def _runtime(runtime: str) -> manifests.Runtime:
    distribution = DISTRIBUTIONS[runtime]
    return manifests.Runtime(
        name=runtime, distribution=distribution, least_version=_version(distribution)
    )


def _model(artifact: Artifact) -> manifests.Model:
    return manifests.Model(
        path=f"model/model{artifact.path.suffix}",
        format=artifact.format,
        sha256=artifact.sha256,
        size_bytes=artifact.size_bytes,
    )


def _inputs(artifact: Artifact, notes: Notes) -> tuple[manifests.Tensor, ...]:
    unknown = InputNotes()
    return tuple(
        manifests.input_tensor(spec, notes.inputs.get(spec.name, unknown))
        for spec in artifact.inputs
    )


def _outputs(artifact: Artifact, notes: Notes) -> tuple[manifests.Tensor, ...]:
    return tuple(
        manifests.output_tensor(spec, None if index else notes.labels)
        for index, spec in enumerate(artifact.outputs)
    )
