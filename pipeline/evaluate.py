"""Scores a module, or an artifact in its own runtime, on a task's data; and compares scores."""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np
import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from pipeline.inference import infer
from pipeline.metrics import METRICS, Accuracy, Metric, ScoredTask, update_all, value
from pipeline.raw_outputs import Arrays, gathered
from targets.artifact import Artifact
from targets.budget import Observation
from targets.errors import ArtifactError, TaskError
from targets.limit import MetricLimits
from targets.target import Target

__all__ = [
    "METRICS",
    "Accuracy",
    "Metric",
    "ScoredTask",
    "Scores",
    "agreement",
    "decisions_agree",
    "drop",
    "observations",
    "outputs_of",
    "score",
    "score_artifact",
    "score_module",
    "shortfall",
    "worst_class_drop",
]

INFERENCE_BYTES = 256_000_000
"""Inputs handed to one process of a runtime, at most (but at least one batch)."""

Batch = tuple[tuple[Tensor, ...], object]


@dataclass(frozen=True)
class Scores:
    """What a model is worth on one split.

    Attributes:
        metrics: value by the metric's name.
        per_class: value by class, of the first metric that has classes; else empty.
        higher_is_better: by the metric's name.
        per_class_of: the metric that `per_class` belongs to; "" where there is none.
    """

    metrics: Mapping[str, float]
    per_class: Mapping[str, float]
    higher_is_better: Mapping[str, bool]
    per_class_of: str = field(default="")


def score(batches: Iterable[tuple[object, object]], task: ScoredTask) -> Scores:
    """The scores of a model's outputs by the task's metrics.

    Args:
        batches: the outputs and the target of each batch.
        task: gives the metrics.

    Raises:
        TaskError: there is no batch, or the outputs, targets or a metric's value are not usable.
    """
    metrics = task.metrics()
    empty = True
    for outputs, target in batches:
        update_all(metrics, outputs, target)
        empty = False
    if empty:
        raise TaskError("nothing to score: batches() must yield at least one batch of the split")
    classes = {one.name: one.per_class() for one in metrics}
    owner = next((name for name, found in classes.items() if found), "")
    return Scores(
        metrics={one.name: value(one) for one in metrics},
        per_class=dict(classes[owner] or {}) if owner else {},
        higher_is_better={one.name: one.higher_is_better for one in metrics},
        per_class_of=owner,
    )


def score_module(module: torch.nn.Module, task: ScoredTask, split: str = "validation") -> Scores:
    """The scores of a module, in evaluation mode, on a split. Raises as `score` does."""
    return score(_module_outputs(module, task, split), task)


def outputs_of(module: torch.nn.Module, task: ScoredTask, split: str = "validation") -> Arrays:
    """A module's outputs on a split, an array for each, as `raw_outputs` gathers them."""
    arrays = gathered(_arrays(outputs) for outputs, _ in _module_outputs(module, task, split))
    if not arrays:
        raise TaskError(f"batches('{split}') is empty; it must yield at least one batch")
    return arrays


@torch.no_grad()
def _module_outputs(
    module: torch.nn.Module, task: ScoredTask, split: str
) -> Iterator[tuple[object, object]]:
    for inputs, target in task.batches(split):
        yield infer(module, inputs), target


def _arrays(outputs: object) -> Arrays:
    leaves = [leaf for leaf in pytree.tree_leaves(outputs) if isinstance(leaf, Tensor)]
    if not leaves:
        raise TaskError("the model's outputs hold no tensor, so they can't be compared")
    return tuple(leaf.detach().numpy() for leaf in leaves)


def score_artifact(
    target: Target, artifact: Artifact, task: ScoredTask, split: str = "validation"
) -> tuple[Scores, Arrays]:
    """The scores of an artifact, run sample by sample in its own runtime.

    The metrics get one tensor where the artifact has one output, else a tuple of tensors in the
    artifact's order.

    Returns:
        The scores, and the outputs, an array for each, as `raw_outputs` gathers them.

    Raises:
        TaskError: as `score` does.
        ArtifactError: the artifact's outputs don't fit the inputs' number.
    """
    pairs: list[tuple[object, object]] = []

    def ran() -> Iterator[list[np.ndarray]]:
        for group in _groups(task.batches(split)):
            arrays = _infer(target, artifact, group)
            pairs.extend(_by_batch(arrays, group))
            yield arrays

    outputs = gathered(ran())
    return score(pairs, task), outputs


def _groups(batches: Iterable[Batch]) -> Iterator[list[Batch]]:
    """Batches in groups of at most INFERENCE_BYTES of inputs."""
    group: list[Batch] = []
    size = 0
    for batch in batches:
        extra = sum(tensor.nbytes for tensor in batch[0])
        if group and size + extra > INFERENCE_BYTES:
            yield group
            group, size = [], 0
        group.append(batch)
        size += extra
    if group:
        yield group


def _infer(target: Target, artifact: Artifact, group: list[Batch]) -> list[np.ndarray]:
    columns = zip(*(inputs for inputs, _ in group), strict=True)
    stacked = [torch.cat(column).numpy() for column in columns]
    arrays = target.infer(artifact, stacked)
    count = len(stacked[0])
    if not arrays or any(len(array) != count for array in arrays):
        found = ", ".join(str(array.shape) for array in arrays) or "none"
        raise ArtifactError(
            f"{artifact.path}: {count} samples went in; the outputs that came back are of shape "
            f"{found}; each must have {count} samples in dimension 0"
        )
    return arrays


def _by_batch(arrays: list[np.ndarray], group: list[Batch]) -> Iterator[tuple[object, object]]:
    sizes = [len(inputs[0]) for inputs, _ in group]
    columns = zip(*(torch.split(torch.from_numpy(one), sizes) for one in arrays), strict=True)
    for outputs, (_, target) in zip(columns, group, strict=True):
        yield outputs[0] if len(outputs) == 1 else outputs, target


def decisions_agree(outputs: np.ndarray, reference: np.ndarray, per_class_of: str) -> float | None:
    """Top-1 agreement; None where no metric has classes, or the outputs are no scores of them: of
    one value for a sample, the largest is always the same."""
    if not per_class_of or reference.ndim < 2 or reference.shape[1] < 2:
        return None
    return agreement(outputs, reference)


def agreement(a: np.ndarray, b: np.ndarray) -> float:
    """Top-1 agreement: the share of positions whose largest output has the same index.

    Args:
        a: outputs (N, C) or (N, C, ...), C classes.
        b: outputs of the same shape.
    """
    if a.shape != b.shape or a.ndim < 2 or not a.size:
        raise ValueError(f"outputs of shape (N, C, ...) are compared; found {a.shape}, {b.shape}")
    return float(np.mean(a.argmax(axis=1) == b.argmax(axis=1)))


def drop(dense: Scores, candidate: Scores, name: str) -> float:
    """How much worse the candidate is by a metric: above 0 is worse, whatever the direction.

    Raises:
        TaskError: the task has no metric of this name.
    """
    if name not in dense.metrics or name not in candidate.metrics:
        known = ", ".join(dense.metrics) or "none"
        raise TaskError(f"no metric '{name}'; the task's metrics are: {known}")
    loss = dense.metrics[name] - candidate.metrics[name]
    return loss if dense.higher_is_better[name] else -loss


def observations(dense: Scores, candidate: Scores, name: str) -> dict[str, Observation]:
    """What the scores tell of the limits on a metric. Raises TaskError as `drop` does."""
    worst = worst_class_drop(dense, candidate)
    missing = None if worst is not None else f"metric '{name}' has no classes"
    return {
        "metric.max_drop": Observation(value=drop(dense, candidate, name)),
        "metric.max_class_drop": Observation(value=worst, missing_reason=missing),
    }


def shortfall(dense: Scores, candidate: Scores, limits: MetricLimits) -> float:
    """How far the drops are beyond their limits, at most: at most 0 where all hold, -inf where none
    is limited. Raises TaskError as `drop` does."""
    drops = (drop(dense, candidate, limits.name), worst_class_drop(dense, candidate))
    pairs = zip(drops, (limits.max_drop, limits.max_class_drop), strict=True)
    found = [lost - most for lost, most in pairs if lost is not None and most is not None]
    return max(found, default=-float("inf"))


def worst_class_drop(dense: Scores, candidate: Scores) -> float | None:
    """The drop of the class that lost most; None where no metric has classes."""
    shared = dense.per_class.keys() & candidate.per_class.keys()
    if not shared:
        return None
    sign = 1.0 if dense.higher_is_better[dense.per_class_of] else -1.0
    return max(sign * (dense.per_class[name] - candidate.per_class[name]) for name in shared)
