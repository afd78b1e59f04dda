"""Calibration data for criteria that look at more than weights, checked before it is used."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from pipeline.graph.trace import Graph
from targets.errors import TaskError

Inputs = tuple[torch.Tensor, ...]
Loss = Callable[[object, object], torch.Tensor]


@dataclass(frozen=True)
class CalibrationData:
    """Batches of (inputs, target), and the loss of outputs and target where a criterion needs it.

    Targets are pytrees that only the loss understands; None where there are none.
    """

    batches: Sequence[tuple[Inputs, object]]
    loss: Loss | None = None

    def checked(self, graph: Graph) -> "CalibrationData":
        """These data, if a graph takes them.

        Raises TaskError, naming the batch and the input, for data that are empty, of another shape
        or type, or not finite.
        """
        if not self.batches:
            raise TaskError("the calibration data are empty: give at least one batch")
        for number, (inputs, _) in enumerate(self.batches, 1):
            _check_batch(f"calibration batch {number}", inputs, graph)
        return self


def checked_inputs(batches: Sequence[Inputs], graph: Graph) -> list[Inputs]:
    """Inputs without targets, if a graph takes them; errors as `CalibrationData.checked`."""
    data = CalibrationData(tuple((inputs, None) for inputs in batches)).checked(graph)
    return [inputs for inputs, _ in data.batches]


def _check_batch(place: str, inputs: object, graph: Graph) -> None:
    if not isinstance(inputs, tuple) or not all(isinstance(t, torch.Tensor) for t in inputs):
        kind = type(inputs).__name__
        raise TaskError(f"{place}: inputs must be a tuple of tensors; found {kind}")
    if len(inputs) != len(graph.inputs):
        raise TaskError(f"{place}: the model takes {len(graph.inputs)} inputs; found {len(inputs)}")
    for number, (found, own) in enumerate(zip(inputs, graph.inputs, strict=True), 1):
        _check_input(f"{place}, input {number}", found, own, graph)
    sizes = {len(one) for one, own in zip(inputs, graph.inputs, strict=True) if _moves(own, graph)}
    if len(sizes) > 1:
        raise TaskError(f"{place}: its inputs have batches of {sorted(sizes)} examples")


def _moves(own: torch.Tensor, graph: Graph) -> bool:
    """Whether an input's first dimension is the batch."""
    return bool(own.dim()) and own.shape[0] == graph.inputs[0].shape[0]


def _check_input(place: str, found: torch.Tensor, own: torch.Tensor, graph: Graph) -> None:
    free = graph.dynamic_batch and _moves(own, graph)
    expected = ("N", *own.shape[1:]) if free else tuple(own.shape)
    fits = found.dim() == own.dim() and found.shape[free:] == own.shape[free:]
    if not fits:
        shown = ", ".join(map(str, expected))
        raise TaskError(f"{place}: the model takes ({shown}); found {tuple(found.shape)}")
    if free and not len(found):
        raise TaskError(f"{place}: has no examples")
    if found.dtype != own.dtype:
        raise TaskError(f"{place}: the model takes {own.dtype}; found {found.dtype}")
    if found.is_floating_point() and not torch.isfinite(found).all():
        raise TaskError(f"{place}: holds NaN or infinity")
