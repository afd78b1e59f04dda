"""Metrics: what a model's outputs are worth. Knows outputs and targets, no model and no device."""

import math
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping
from typing import Protocol

import torch
from torch import Tensor

from targets.errors import TaskError


class Metric(Protocol):
    """One metric over one pass through a split; a new object for every pass."""

    @property
    def name(self) -> str:
        """The name that recipes and reports use."""
        ...

    @property
    def higher_is_better(self) -> bool:
        """Whether a larger value is a better one."""
        ...

    def update(self, outputs: object, target: object) -> None:
        """Takes in one batch: the model's outputs and what they should have been."""
        ...

    def compute(self) -> float:
        """The value over all batches so far."""
        ...

    def per_class(self) -> Mapping[str, float] | None:
        """The value by class, keyed by the class's name; None for a metric without classes."""
        ...


class ScoredTask(Protocol):
    """What scoring needs of a task: examples and metrics."""

    def batches(self, split: str) -> Iterator[tuple[tuple[Tensor, ...], object]]:
        """Inputs and targets of "train", "calibration" or "validation", batch by batch."""
        ...

    def metrics(self) -> list[Metric]:
        """New metrics, the first of which decides where one number is needed."""
        ...


class Accuracy:
    """Top-1 accuracy: the share of labels that are the largest output's index.

    Outputs are (N, C) or (N, C, ...) with C classes, targets integer labels (N) or (N, ...).
    """

    name = "accuracy"
    higher_is_better = True

    def __init__(self, chosen: Callable[[Tensor], Tensor] | None = None) -> None:
        """`chosen` gives the classes (N, ...) of outputs; without it, the largest output's."""
        self._chosen = chosen or _largest
        self._right: Counter[int] = Counter()
        self._seen: Counter[int] = Counter()

    def update(self, outputs: object, target: object) -> None:
        """Counts one batch.

        Raises:
            TaskError: outputs or labels have the wrong shape or type, an output is NaN, or a label
                is not among the classes.
        """
        scores, labels = _checked(outputs, target)
        right = self._chosen(scores) == labels
        self._seen.update(labels.flatten().tolist())
        self._right.update(labels[right].tolist())

    def compute(self) -> float:
        """The share of labels that were met; TaskError if there was none."""
        if not self._seen:
            raise TaskError("accuracy: the split is empty; batches() must yield at least one batch")
        return self._right.total() / self._seen.total()

    def per_class(self) -> dict[str, float]:
        """The share that was met of each label that occurred (its recall)."""
        return {str(label): self._right[label] / self._seen[label] for label in sorted(self._seen)}


def _largest(scores: Tensor) -> Tensor:
    return scores.argmax(dim=1)


METRICS: Mapping[str, Callable[[], Metric]] = {"accuracy": Accuracy}
"""The metrics that a task may name; any other one it makes itself."""


def update_all(metrics: Iterable[Metric], outputs: object, target: object) -> None:
    """Hands one batch to every metric."""
    for metric in metrics:
        metric.update(outputs, target)


def value(metric: Metric) -> float:
    """A metric's value; TaskError where it is no finite number."""
    computed = float(metric.compute())
    if not math.isfinite(computed):
        raise TaskError(
            f"metric '{metric.name}' is {computed}; it must be finite: look for NaN in the "
            "model's outputs, or a division by zero in the metric"
        )
    return computed


def _checked(outputs: object, target: object) -> tuple[Tensor, Tensor]:
    """Scores (N, C, ...) and labels (N, ...) that fit together."""
    if not isinstance(outputs, Tensor) or outputs.dim() < 2:
        raise TaskError(
            "accuracy needs outputs of shape (N, C), C classes; the model gave "
            f"{_shown(outputs)}; use a metric of your own for it"
        )
    if not isinstance(target, Tensor) or target.is_floating_point() or target.is_complex():
        raise TaskError(f"accuracy needs integer labels as targets; found {_shown(target)}")
    expected = (outputs.shape[0], *outputs.shape[2:])
    if tuple(target.shape) != expected:
        raise TaskError(
            f"accuracy needs labels of shape {expected} for outputs of shape "
            f"{tuple(outputs.shape)}; found {tuple(target.shape)}"
        )
    _check_values(outputs, target)
    return outputs, target


def _check_values(outputs: Tensor, labels: Tensor) -> None:
    if torch.isnan(outputs).any():
        raise TaskError(
            "the model's outputs hold NaN; check its weights, and that the inputs are normalised"
        )
    classes = outputs.shape[1]
    wrong = labels[(labels < 0) | (labels >= classes)]
    if len(wrong):
        raise TaskError(
            f"label {wrong[0].item()} is out of range: the model has {classes} classes, "
            f"so labels must be 0 to {classes - 1}"
        )


def _shown(found: object) -> str:
    if isinstance(found, Tensor):
        return f"a tensor of shape {tuple(found.shape)} and type {found.dtype}"
    return f"a {type(found).__name__}"
