"""Observing: runs calibration data through the graph, and returns plain numbers."""

from collections.abc import Iterable, Iterator, Mapping

import torch
from torch import Tensor

from pipeline.graph import Graph
from pipeline.quantize.observations import Histogram, Observations, histogram
from pipeline.quantize.plan import FloatOperator, WeightQuantization
from pipeline.quantize.prepared import Prepared, prepare
from targets.errors import TaskError


class Recorder(torch.nn.Module):
    """Stands at a tensor, passes it on, and keeps its histogram."""

    def __init__(self) -> None:
        super().__init__()
        self.seen: Histogram | None = None
        self.broken = False

    def forward(self, values: Tensor) -> Tensor:
        """Returns the values as they are."""
        if not bool(torch.isfinite(values).all()):
            self.broken = True
            return values
        new = histogram(values.detach().numpy())
        self.seen = new if self.seen is None else self.seen + new
        return values


def observe(
    graph: Graph, calibration: Iterable[tuple[Tensor, ...]], keeps: frozenset[str] = frozenset()
) -> Observations:
    """Runs the calibration inputs (any batch size) and records every tensor that becomes int8.

    The nodes in `keeps` stay float; `regions.closed` says which can.

    Raises ArtifactError where a node of `keeps` isn't there, and TaskError where there is no
    calibration data, it has another shape than the model's inputs, or it or what the model makes of
    it is not finite.
    """
    prepared = prepare(graph.module, keeps)
    recorders = _record(prepared)
    samples = 0
    with torch.no_grad():
        for inputs in checked(graph, calibration):
            prepared.module(*inputs)
            samples += len(inputs[0])
            _refuse_broken(prepared, recorders)
    if samples == 0:
        raise TaskError(
            "quantize: the calibration split is empty; batches('calibration') in "
            "task.py has to yield at least one batch"
        )
    return _observations(prepared, recorders, samples, keeps)


def _record(prepared: Prepared) -> dict[str, Recorder]:
    """Puts a recorder at every place; places that had one observer in common get one recorder."""
    by_observer: dict[torch.nn.Module, Recorder] = {}
    recorders = {}
    for place in prepared.activations:
        if prepared.fixed(place):
            continue
        recorders[place.tensor] = by_observer.setdefault(prepared.observer(place), Recorder())
        prepared.replace(place, recorders[place.tensor])
    return recorders


def _refuse_broken(prepared: Prepared, recorders: Mapping[str, Recorder]) -> None:
    for tensor, recorder in recorders.items():
        if recorder.broken:
            raise TaskError(
                f"quantize: tensor '{tensor}' is NaN or infinite on calibration data; "
                "the model's weights or the data's scale are wrong"
            )


def _observations(
    prepared: Prepared, recorders: Mapping[str, Recorder], samples: int, keeps: frozenset[str]
) -> Observations:
    numbers = {recorder: index for index, recorder in enumerate(dict.fromkeys(recorders.values()))}
    histograms = {index: recorder.seen for recorder, index in numbers.items() if recorder.seen}
    return Observations(
        samples=samples,
        histograms=histograms,
        groups={tensor: numbers[recorder] for tensor, recorder in recorders.items()},
        fixed=_fixed(prepared),
        weights=_weights(prepared),
        floats=_floats(prepared),
        keeps=tuple(node.name for node in prepared.module.graph.nodes if node.name in keeps),
    )


def _fixed(prepared: Prepared) -> dict[str, tuple[float, int]]:
    known = {place.tensor: prepared.fixed(place) for place in prepared.activations}
    return {tensor: affine for tensor, affine in known.items() if affine}


def _weights(prepared: Prepared) -> tuple[WeightQuantization, ...]:
    weights = []
    for place in prepared.weights:
        axis = prepared.channel_axis(place)
        name = str(place.observed.target)
        channels = prepared.weight(place).shape[axis]
        weights.append(WeightQuantization(weight=name, channel_axis=axis, channels=channels))
    return tuple(weights)


def _floats(prepared: Prepared) -> tuple[FloatOperator, ...]:
    operators = {node.name: str(node.target) for node in prepared.module.graph.nodes}
    return tuple(
        FloatOperator(node=name, operator=operators[name], reason=reason)
        for name, reason in prepared.declined.items()
    )


def checked(
    graph: Graph, calibration: Iterable[tuple[Tensor, ...]]
) -> Iterator[tuple[Tensor, ...]]:
    """Calibration batches in the batch size that the graph takes.

    Raises TaskError for one of another shape than the model's inputs, or that is not finite.
    """
    for index, inputs in enumerate(calibration):
        _check(graph, inputs, index)
        if graph.dynamic_batch:
            yield inputs
        else:
            yield from _split(inputs, len(graph.inputs[0]))


def _split(inputs: tuple[Tensor, ...], size: int) -> Iterator[tuple[Tensor, ...]]:
    """Parts of exactly `size` samples; the last is filled up with samples seen before."""
    count = len(inputs[0])
    for start in range(0, count, size):
        places = [(start + offset) % count for offset in range(size)]
        yield tuple(tensor[places] for tensor in inputs)


def _check(graph: Graph, inputs: tuple[Tensor, ...], index: int) -> None:
    found = [tuple(tensor.shape[1:]) for tensor in inputs]
    expected = [tuple(tensor.shape[1:]) for tensor in graph.inputs]
    if found != expected:
        raise TaskError(
            f"quantize: calibration batch {index} holds samples of shape {found}; "
            f"the model takes {expected}"
        )
    for tensor in inputs:
        if tensor.is_floating_point() and not bool(torch.isfinite(tensor).all()):
            raise TaskError(
                f"quantize: calibration batch {index} holds NaN or infinite values; "
                "clean the data that batches('calibration') in task.py yields"
            )
