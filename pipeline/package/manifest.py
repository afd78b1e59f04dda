"""manifest.json: what a package holds, and all that an app must know to use it."""

from collections.abc import Mapping
from hashlib import sha256
from typing import Literal

from pydantic import BaseModel, ConfigDict

from pipeline.report.document import MeasurementSummary, Reading, RowVerdict, Unavailable
from targets.artifact import TensorSpec

NOT_STATED = Unavailable(unavailable="the task does not state it")
UNSIGNED = Unavailable(
    unavailable="not signed: the checksums find damage, not a forged manifest with forged files"
)


class Section(BaseModel):
    """One object of the manifest."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class File(Section):
    """A file of the package; the path is relative to the manifest."""

    path: str
    sha256: str
    size_bytes: int


class Model(Section):
    """The model: the file to load, and digest and size over all its files."""

    path: str
    format: str
    sha256: str
    size_bytes: int


class Runtime(Section):
    """What runs the model. The least version is the one it was checked with; older is untried."""

    name: str
    distribution: str
    least_version: str


class Normalization(Section):
    """What the app does to its raw values, by channel: (raw - mean) / std."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


class Tensor(Section):
    """An input or output. Quantized: real = scale * (integer - zero_point); else both are null."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    layout: str | Unavailable = NOT_STATED
    scale: float | None
    zero_point: int | None
    normalization: Normalization | Unavailable | None = None
    labels: tuple[str, ...] | None = None


class Vector(Section):
    """A golden array: real values, samples stacked on axis 0. Inputs have no tolerance."""

    path: str
    tolerance: float | None = None


class Vectors(Section):
    """The golden vectors; the tolerance is the largest absolute difference of any value."""

    samples: int
    inputs: tuple[Vector, ...]
    outputs: tuple[Vector, ...]


class Manifest(Section):
    """The whole. `files` lists every file of the package but the manifest itself."""

    format: Literal["edgesmith-package"] = "edgesmith-package"
    schema_version: Literal[1] = 1
    id: str
    name: str
    description: str
    made_by: str
    model: Model
    runtime: Runtime
    inputs: tuple[Tensor, ...]
    outputs: tuple[Tensor, ...]
    golden: Vectors
    metrics: dict[str, Reading]
    measurement: MeasurementSummary
    verdict: RowVerdict
    lineage: tuple[str, ...]
    signature: Unavailable = UNSIGNED
    files: tuple[File, ...]


class InputNotes(Section):
    """What only the task knows of an input."""

    layout: str | None = None
    normalization: Normalization | None = None


def listed(files: Mapping[str, bytes]) -> tuple[File, ...]:
    """The files as the manifest lists them, sorted by path."""
    return tuple(
        File(path=path, sha256=sha256(files[path]).hexdigest(), size_bytes=len(files[path]))
        for path in sorted(files)
    )


def input_tensor(spec: TensorSpec, notes: InputNotes) -> Tensor:
    """An input of the contract."""
    return _tensor(spec).model_copy(
        update={
            "layout": notes.layout or NOT_STATED,
            "normalization": notes.normalization or NOT_STATED,
        }
    )


def output_tensor(spec: TensorSpec, labels: tuple[str, ...] | None) -> Tensor:
    """An output of the contract."""
    return _tensor(spec).model_copy(update={"labels": labels})


def _tensor(spec: TensorSpec) -> Tensor:
    quantization = spec.quantization
    return Tensor(
        name=spec.name,
        shape=spec.shape,
        dtype=spec.dtype,
        scale=quantization.scale if quantization else None,
        zero_point=quantization.zero_point if quantization else None,
    )
