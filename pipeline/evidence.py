"""The stages that look at an artifact: what runs in it, how well it scores, how fast it is.

Each is a step of the workspace, keyed by the artifact's sha256, so what was seen once of the same
file is not looked at again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import evaluate, fidelity, raw_outputs
from pipeline.desk import Desk
from pipeline.evaluate import Scores
from pipeline.exporting import described
from pipeline.quantize.layers import Layers
from pipeline.raw_outputs import Arrays
from pipeline.stages import Exported
from pipeline.workspace import atomic_write
from targets.artifact import Artifact, Quantization, TensorSpec, digest, files_of
from targets.errors import ConversionError, EdgesmithError
from targets.measurement import ExecutedOp
from targets.target import Description

OUTPUTS = "outputs"
"""What an artifact gives on the validation split, beside its scores."""


@dataclass(frozen=True)
class Least:
    """How faithful an int8 artifact has to be to the quantized torch graph.

    Attributes:
        agreement: top-1, on the validation split.
        sqnr_db: of the outputs there.
    """

    agreement: float
    sqnr_db: float

    def met(self, agreement: float | None, sqnr_db: float) -> bool:
        """Whether both are reached; agreement is None where the outputs are of no classes."""
        return (agreement is None or agreement >= self.agreement) and sqnr_db >= self.sqnr_db


TRAINED = Least(agreement=0.99, sqnr_db=30.0)
UNTRAINED = Least(agreement=0.90, sqnr_db=20.0)
"""Of a pruned model that was not trained: its outputs lie close together, and are small beside the
tensors that they are made of."""


@dataclass(frozen=True)
class Seen:
    """An artifact, and what is known of it before any timing.

    Attributes:
        description: the artifact's interface and the operators that its runtime executes.
        scores: metrics of the artifact itself on the validation split.
        outputs: its first output there, raw, for agreement.
        agreement: top-1 agreement with the quantized torch graph; None for float32, and where no
            metric of the task has classes, or the outputs are no scores of them.
        sqnr_db: of the outputs, against that graph's, the worst of several; None for float32.
    """

    description: Description
    scores: Scores
    outputs: np.ndarray
    agreement: float | None
    sqnr_db: float | None = None

    @property
    def artifact(self) -> Artifact:
        """The artifact itself."""
        return self.description.artifact


def see(desk: Desk, runtime: str, exported: Exported, least: Least = TRAINED) -> Seen:
    """Describes and scores one runtime's artifact, and checks that int8 is int8.

    Args:
        desk: what the run works with.
        runtime: its name.
        exported: the files.
        least: how faithful it has to be to the quantized torch graph.

    Raises:
        ConversionError: an int8 artifact executes no int8 operator, or is not faithful to the
            quantized torch graph; the first layer that is not is named.
    """
    description = describe(desk, runtime, exported.files[runtime])
    scores, outputs = _score(desk, runtime, description.artifact)
    references = exported.references
    if not references:
        return Seen(description, scores, outputs[0], None)
    check_int8(runtime, description)
    sqnr_db, where = _compared(runtime, references, outputs)
    agreement = evaluate.decisions_agree(outputs[0], references[0], scores.per_class_of)
    if not least.met(agreement, sqnr_db):
        told = _unfaithful(runtime, agreement, sqnr_db, least)
        of = f" (output {where + 1} of {len(outputs)})" if len(outputs) > 1 else ""
        layer = _where(desk, runtime, exported, description.artifact, least)
        raise ConversionError(told + of + layer)
    return Seen(description, scores, outputs[0], agreement, sqnr_db)


def _compared(runtime: str, references: Arrays, outputs: Arrays) -> tuple[float, int]:
    """The worst SQNR, and of which output. Raises ConversionError where they can't be compared."""
    try:
        return fidelity.worst_sqnr_db(references, outputs)
    except ValueError as error:
        raise ConversionError(
            f"{runtime}: the artifact's outputs are not those of the quantized torch graph "
            f"({error}); its converter changed the model"
        ) from error


def describe(desk: Desk, runtime: str, path: Path) -> Description:
    """What the runtime says of a file of the run's own. Raises ConversionError where it can't."""
    sha256, _ = digest(files_of(path))

    def work(folder: Path) -> None:
        found = described(desk.targets[runtime], path)
        document = {**asdict(found), "artifact": {**asdict(found.artifact), "path": ""}}
        atomic_write(folder / "description.json", json.dumps(document) + "\n")

    inputs = {"artifact": sha256, "device": desk.device.name}
    folder = desk.workspace.step(f"describe-{runtime}", inputs, work)
    return _description(json.loads((folder / "description.json").read_text()), path)


def _description(document: dict[str, Any], path: Path) -> Description:
    artifact = document["artifact"]
    tensors = {key: tuple(map(_spec, artifact[key])) for key in ("inputs", "outputs")}
    return Description(
        Artifact(**{**artifact, **tensors, "path": path}),
        tuple(ExecutedOp(**one) for one in document["executed"]),
        document["runtime_version"],
        tuple(document["notes"]),
    )


def _spec(document: dict[str, Any]) -> TensorSpec:
    quantization = document["quantization"]
    return TensorSpec(
        document["name"],
        tuple(document["shape"]),
        document["dtype"],
        Quantization(**quantization) if quantization else None,
    )


def check_int8(runtime: str, description: Description) -> None:
    """Raises ConversionError where the runtime executes no int8 operator."""
    dtypes = [one.dtype for one in description.executed]
    if not any(dtype in ("int8", "uint8") for dtype in dtypes):
        raise ConversionError(
            f"{runtime}: the quantized artifact executes no int8 operator "
            f"(found {', '.join(sorted(set(dtypes)))}); it would be no faster than float32"
        )


def _unfaithful(runtime: str, agreement: float | None, sqnr_db: float, least: Least) -> str:
    agrees = (
        f"agrees on {agreement:.1%} (needed {least.agreement:.0%}) and "
        if agreement is not None
        else ""
    )
    return (
        f"{runtime}: on the validation split the artifact {agrees}has an SQNR of {sqnr_db:.1f} dB "
        f"(needed {least.sqnr_db:.0f}) against the quantized torch graph; its converter changed "
        "the model"
    )


def _where(desk: Desk, runtime: str, exported: Exported, artifact: Artifact, least: Least) -> str:
    """The first layer of the artifact that is not what the torch graph computes, if one is told."""
    try:
        kept = Layers.load(exported.folder)
        seen = desk.targets[runtime].layers(artifact, kept.samples)
    except (OSError, ValueError, KeyError, EdgesmithError):
        return ""
    first = fidelity.first_below(fidelity.compare(kept.layers, seen.layers), least.sqnr_db)
    return f", first at '{first.tensor}' ({first.sqnr_db:.1f} dB)" if first else ""


def _score(desk: Desk, runtime: str, artifact: Artifact) -> tuple[Scores, Arrays]:
    def work(folder: Path) -> None:
        desk.console.progress(f"scoring on {runtime}", 0.0)
        scores, outputs = evaluate.score_artifact(desk.targets[runtime], artifact, desk.task)
        raw_outputs.save(outputs, folder, OUTPUTS)
        atomic_write(folder / "scores.json", json.dumps(asdict(scores), indent=2) + "\n")

    inputs = {"artifact": artifact.sha256, "task": desk.task.identity(), "runtime": runtime}
    folder = desk.workspace.step(f"score-{runtime}", inputs, work)
    scores = Scores(**json.loads((folder / "scores.json").read_text()))
    return scores, raw_outputs.load(folder, OUTPUTS)
