"""`check --data`: what a model file, whoever made it, is worth on a task's data.

The task's own model in torch is what it is compared with.
"""

from collections.abc import Iterator, Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

import torch
from torch import Tensor

from pipeline import evaluate, recipe, task
from pipeline.diagnose.door import Analysis
from pipeline.evaluate import Scores
from pipeline.metrics import Metric
from pipeline.task import Task
from targets import device as devices
from targets import target as targets
from targets.artifact import RUNTIME_OF_FORMAT, Artifact, TensorSpec, format_of
from targets.budget import Observation
from targets.device import DeviceProfile
from targets.errors import TaskError
from targets.target import Target

SPLIT = "validation"
TO_CHANNELS_LAST = (0, 2, 3, 1)
HERE = "measured-host"
ELSEWHERE = "the device can't be asked for outputs; this is what the same runtime gives here"

Inputs = tuple[Tensor, ...]
Shapes = Mapping[str, tuple[int, ...]]


@dataclass(frozen=True)
class Scored:
    """The scores of a model file, and of the task's own model in torch, on the validation split.

    Attributes:
        own: the file's, in its runtime.
        dense: those of what build() gives, in torch.
        provenance: where the file's were taken.
        notes: what was done to the task's inputs, and where the scores come from.
    """

    own: Scores
    dense: Scores
    provenance: str
    notes: tuple[str, ...]

    def observations(self, name: str) -> dict[str, Observation]:
        """Of the limits on a metric, "" for the first. Raises TaskError for one it has not."""
        found = evaluate.observations(self.dense, self.own, name or next(iter(self.own.metrics)))
        why = None if self.provenance != HERE else ELSEWHERE
        return {
            limit: replace(one, provenance=self.provenance, unmeasured_reason=why)
            for limit, one in found.items()
        }

    def told(self) -> str:
        """The metrics in a line, each beside that of the task's own model."""
        dense = self.dense.metrics
        pairs = (
            f"{name} {value:.4g} ({dense[name]:.4g})" for name, value in self.own.metrics.items()
        )
        return f"{', '.join(pairs)}; in brackets the task's own model, in torch"

    def document(self) -> dict[str, Any]:
        """As JSON has it."""
        kept = ("metrics", "per_class")
        return {
            **{key: value for key, value in asdict(self.own).items() if key in kept},
            "dense": {key: value for key, value in asdict(self.dense).items() if key in kept},
            "split": SPLIT,
            "provenance": self.provenance,
            "notes": list(self.notes),
        }


def load(path: Path) -> Task:
    """The task of a file, or of a recipe with its params. Raises TaskError and RecipeError."""
    if path.suffix == ".py":
        return task.load(path.parent, path.name, {}, (SPLIT,))
    loaded = recipe.read(path)
    return task.load(loaded.folder, loaded.recipe.task, loaded.recipe.params, (SPLIT,))


def shapes(found: Task, analysis: Analysis, asked: Shapes) -> Shapes:
    """The shapes that were asked for, and those of the task's example where sizes are open."""
    if analysis.work is None:
        return asked
    names = [analysis.work.tensors[key].name or key for key in analysis.work.inputs]
    examples = zip(names, found.example_inputs(), strict=False)
    taken = {name: tuple(one.shape) for name, one in examples if name in analysis.undecided}
    return {**taken, **asked}


def score(found: Task, path: Path, profile: DeviceProfile, target: Target | None) -> Scored:
    """Scores a file on the device, or here where the device gives no outputs.

    Args:
        found: the task.
        path: the file.
        profile: of the device.
        target: its runtime there, which takes the file; None where it can't be reached.

    Raises:
        TaskError: the task's inputs are not what the file takes.
        ArtifactError: the file's outputs don't fit the inputs' number.
    """
    asked, provenance, notes = _asked(target, profile, RUNTIME_OF_FORMAT[format_of(path)])
    artifact = asked.describe(path).artifact
    fitted = Fitted.to(artifact, found)
    own, _ = evaluate.score_artifact(asked, artifact, fitted, SPLIT)
    dense = evaluate.score_module(found.build(), found, SPLIT)
    return Scored(own, dense, provenance, (*fitted.notes, *notes))


def _asked(
    target: Target | None, profile: DeviceProfile, runtime: str
) -> tuple[Target, str, tuple[str, ...]]:
    """Who runs the file, and what its outputs count for."""
    if target is not None and runtime not in profile.vendor:
        return target, profile.provenance, ()
    shapes = target.shapes if target else {}
    here = targets.find(devices.load("host"), runtime)
    return replace(here, shapes=shapes), HERE, (ELSEWHERE,)


@dataclass(frozen=True)
class Fitted:
    """A task's data in the layout that a file takes.

    Attributes:
        task: the task.
        orders: of the axes of each input; None where they stay.
        notes: what is turned.
    """

    task: Task
    orders: tuple[tuple[int, ...] | None, ...]
    notes: tuple[str, ...]

    @classmethod
    def to(cls, artifact: Artifact, found: Task) -> "Fitted":
        """The data as this file takes it. Raises TaskError where it can't be made so."""
        example = found.example_inputs()
        if len(example) != len(artifact.inputs):
            told = ", ".join(f"'{spec.name}'" for spec in artifact.inputs) or "none"
            raise TaskError(
                f"{found.file}: example_inputs() gives {len(example)} inputs, and "
                f"{artifact.path.name} takes {len(artifact.inputs)}: {told}"
            )
        pairs = list(zip(artifact.inputs, example, strict=True))
        orders = tuple(_order(spec, tensor, found.file) for spec, tensor in pairs)
        turned = [spec.name for (spec, _), order in zip(pairs, orders, strict=True) if order]
        notes = tuple(f"input '{name}': the task's (N, C, H, W) as (N, H, W, C)" for name in turned)
        return cls(found, orders, notes)

    def batches(self, split: str) -> Iterator[tuple[Inputs, object]]:
        """As the task's own."""
        for inputs, target in self.task.batches(split):
            yield tuple(map(_turned, inputs, self.orders)), target

    def metrics(self) -> list[Metric]:
        """The task's own."""
        return self.task.metrics()


def _turned(tensor: Tensor, order: tuple[int, ...] | None) -> Tensor:
    return tensor if order is None else tensor.permute(order)


def _order(spec: TensorSpec, example: Tensor, file: Path) -> tuple[int, ...] | None:
    """How to turn the task's tensor to the file's. Raises TaskError where no turn makes it fit."""
    shape = tuple(example.shape)
    floating = torch.is_floating_point(example)
    if floating and spec.quantization is None and not spec.dtype.startswith(("float", "bfloat")):
        raise TaskError(
            f"{file}: the file's input '{spec.name}' is {spec.dtype} without a scale, and "
            f"batches() gives {example.dtype}: give what the file takes, before any normalization"
        )
    if shape == spec.shape:
        return None
    if len(shape) == 4 and tuple(shape[axis] for axis in TO_CHANNELS_LAST) == spec.shape:
        return TO_CHANNELS_LAST
    raise TaskError(
        f"{file}: the file's input '{spec.name}' has the shape {list(spec.shape)}, and "
        f"example_inputs() gives {list(shape)}: give what the file takes (the task's `preprocess` "
        "can resize and turn), or fix the file's sizes by --shape"
    )
