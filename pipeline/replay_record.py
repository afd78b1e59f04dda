"""How an artifact came about, so that it can be rebuilt: replay/replay.json of a package.

Each step's settings and plan file, the sha256 of the weights that it left, and what all of it
depended on: the task's files and weights, tools, threads. It holds plans and settings only: no
code, and of the params not `data`, which is a path. Knows neither torch nor a run's folder.
"""

from collections.abc import Mapping
from pathlib import Path
from typing import Annotated, Literal

from pydantic import Field, JsonValue, ValidationError

from pipeline.ladder import Method
from pipeline.package.manifest import REPLAY
from pipeline.recipe import Quantize, Recover
from pipeline.recipe_section import Section
from pipeline.recipe_steps import Repair
from targets.device import Activations
from targets.errors import ArtifactError

FOLDER, _, RECORD = REPLAY.rpartition("/")
DATA = "data"
"""The param by which a task is given its data; a path, which the record leaves out."""
WEIGHTS = "weights.safetensors"
MOST_RECORD_BYTES = 8 * 1024**2
"""As much as of a manifest is read."""

MOST_PLAN_BYTES = 64 * 1024**2
"""What goes of 300 million single weights; without those a plan has some hundred kB."""

Digest = Annotated[str, Field(pattern="^[0-9a-f]{64}$")]
PlanFile = Annotated[str, Field(pattern=r"^plan-[0-9]{1,3}\.json$")]
Threads = Annotated[int, Field(ge=1, le=1024)]


class PruneStep(Section):
    """A plan carried out and repaired."""

    does: Literal["prune"] = "prune"
    repair: Repair
    plan: PlanFile
    weights: Digest


class RecoverStep(Section):
    """Fine-tuning, taught by the dense model."""

    does: Literal["recover"] = "recover"
    settings: Recover
    weights: Digest


class QuantizeStep(Section):
    """A quantization plan made; with equalization, by weights that were changed for it."""

    does: Literal["quantize"] = "quantize"
    method: Method
    keeps: tuple[str, ...] = ()
    plan: PlanFile
    weights: Digest


class KeepStep(Section):
    """Operators that stay float."""

    does: Literal["keep"] = "keep"
    nodes: tuple[str, ...]
    weights: Digest


class TrainStep(Section):
    """Training with the plan's rounding in it."""

    does: Literal["train"] = "train"
    settings: Recover
    weights: Digest


Step = Annotated[
    PruneStep | RecoverStep | QuantizeStep | KeepStep | TrainStep, Field(discriminator="does")
]


class Unified(Section):
    """The graph written for the runtime: by a quantization plan, or without one in float."""

    engine: Literal["unified"] = "unified"
    settings: Quantize | None
    activations: Activations
    plan: PlanFile | None = None


class NativeSettings(Section):
    """What targets/native.py is told; that module loads torch."""

    range: Literal["min-max", "moving-average", "percentile", "entropy"]
    correct_bias: bool
    activations: Activations
    io: Literal["int8", "float32"]


class Native(Section):
    """The float32 file quantized by the runtime's own tool."""

    engine: Literal["native"] = "native"
    settings: NativeSettings


class TaskFacts(Section):
    """What the task was.

    Attributes:
        files: the sha256 of each file that task.py imported or opened, relative to its folder.
        weights: the digest of the trained model's weights.
        params: what configure() was given, but for `data`.
    """

    files: dict[str, Digest]
    weights: Digest
    params: dict[str, JsonValue]


class Record(Section):
    """How an artifact came about.

    Attributes:
        runtime: what it was made for.
        sha256: over all the artifact's files.
        task: the user's code and model.
        threads: of torch, whose sums depend on their number in the last bits.
        tools: versions, by tool.
        dense: the sha256 of the dense model's weights, as the run kept them.
        steps: from the dense model on, in order.
        export: how the last step's model became a file.
    """

    format: Literal["edgesmith-replay"] = "edgesmith-replay"
    schema_version: Literal[1] = 1
    runtime: Literal["tflite", "openvino", "onnxruntime"]
    sha256: Digest
    task: TaskFacts
    threads: Threads
    tools: dict[str, str]
    dense: Digest
    steps: tuple[Step, ...]
    export: Annotated[Unified | Native, Field(discriminator="engine")]


def read(path: Path) -> Record:
    """Reads a record. Raises ArtifactError where it can't be read, is too long, or is none."""
    try:
        return Record.model_validate_json(bounded(path, MOST_RECORD_BYTES).read_bytes())
    except OSError as error:
        raise ArtifactError(f"{path.name}: can't be read: {error.strerror}") from error
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        key = ".".join(map(str, first["loc"]))[:120] or "document"
        raise ArtifactError(f"{path.name}: no record to replay: {key}: {first['msg']}") from error


def bounded(path: Path, most_bytes: int) -> Path:
    """The path of what may be read at once: a package's file may unpack to gigabytes.

    Raises ArtifactError for a longer file; that one is missing is its reader's to tell.
    """
    if path.is_file() and (size_bytes := path.stat().st_size) > most_bytes:
        raise ArtifactError(
            f"{path.name}: has {size_bytes:,} bytes, and at most {most_bytes:,} are read; "
            "edgesmith writes none so long: make the package anew from its run"
        )
    return path


def members(folder: Path) -> dict[str, bytes]:
    """The record and its plan files as a package has them, by path; none of a folder without."""
    return {f"{FOLDER}/{path.name}": path.read_bytes() for path in sorted(folder.glob("*.json"))}


def stated(params: Mapping[str, object]) -> dict[str, object]:
    """The params that a record tells of."""
    return {name: value for name, value in params.items() if name != DATA}
