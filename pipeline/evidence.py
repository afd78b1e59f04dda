"""The stages that look at an artifact: what runs in it, how well it scores, how fast it is.

Each is a step of the workspace, keyed by the artifact's sha256, so what was seen once of the same
file is not looked at again.
"""

import json
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

import numpy as np

from pipeline import evaluate
from pipeline.desk import Desk
from pipeline.evaluate import Scores
from pipeline.stages import Exported
from pipeline.workspace import atomic_write
from targets.artifact import Artifact, Quantization, TensorSpec, digest, files_of
from targets.errors import ConversionError
from targets.measurement import ExecutedOp
from targets.target import Description

LEAST_AGREEMENT = 0.99
"""Top-1 agreement of an int8 artifact with the quantized torch graph on the validation split."""

UNTRAINED_AGREEMENT = 0.90
"""Of a pruned model that was not trained: its largest outputs lie close together."""


@dataclass(frozen=True)
class Seen:
    """An artifact, and what is known of it before any timing.

    Attributes:
        description: the artifact's interface and the operators that its runtime executes.
        scores: metrics of the artifact itself on the validation split.
        outputs: its raw outputs there, for agreement and golden vectors.
        agreement: top-1 agreement with the quantized torch graph; None for float32.
    """

    description: Description
    scores: Scores
    outputs: np.ndarray
    agreement: float | None

    @property
    def artifact(self) -> Artifact:
        """The artifact itself."""
        return self.description.artifact


def see(
    desk: Desk, runtime: str, exported: Exported, least_agreement: float = LEAST_AGREEMENT
) -> Seen:
    """Describes and scores one runtime's artifact, and checks that int8 is int8.

    Args:
        desk: what the run works with.
        runtime: its name.
        exported: the files.
        least_agreement: with the quantized torch graph.

    Raises:
        ConversionError: an int8 artifact executes no int8 operator, or does not agree with the
            quantized torch graph.
    """
    description = describe(desk, runtime, exported.files[runtime])
    scores, outputs = _score(desk, runtime, description.artifact)
    reference = exported.reference
    if reference is None:
        return Seen(description, scores, outputs, None)
    agreement = evaluate.agreement(outputs, reference)
    _is_int8(runtime, description, agreement, least_agreement)
    return Seen(description, scores, outputs, agreement)


def describe(desk: Desk, runtime: str, path: Path) -> Description:
    """What the runtime says of a file. Raises ArtifactError or ConversionError where it can't."""
    sha256, _ = digest(files_of(path))

    def work(folder: Path) -> None:
        found = desk.targets[runtime].describe(path)
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


def _is_int8(runtime: str, description: Description, agreement: float, least: float) -> None:
    dtypes = [one.dtype for one in description.executed]
    if not any(dtype in ("int8", "uint8") for dtype in dtypes):
        raise ConversionError(
            f"{runtime}: the quantized artifact executes no int8 operator "
            f"(found {', '.join(sorted(set(dtypes)))}); it would be no faster than float32"
        )
    if agreement < least:
        raise ConversionError(
            f"{runtime}: the artifact agrees with the quantized torch graph on {agreement:.1%} of "
            f"the validation split (needed {least:.0%}); its converter changed the model"
        )


def _score(desk: Desk, runtime: str, artifact: Artifact) -> tuple[Scores, np.ndarray]:
    def work(folder: Path) -> None:
        desk.console.progress(f"scoring on {runtime}", 0.0)
        scores, outputs = evaluate.score_artifact(desk.targets[runtime], artifact, desk.task)
        np.save(folder / "outputs.npy", outputs)
        atomic_write(folder / "scores.json", json.dumps(asdict(scores), indent=2) + "\n")

    inputs = {"artifact": artifact.sha256, "task": desk.task.identity(), "runtime": runtime}
    folder = desk.workspace.step(f"score-{runtime}", inputs, work)
    scores = Scores(**json.loads((folder / "scores.json").read_text()))
    return scores, np.load(folder / "outputs.npy", allow_pickle=False)
