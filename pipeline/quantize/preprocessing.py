"""Whether calibration data look to the first batch norm as training data did."""

from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.fx import GraphModule, Node

from pipeline.graph import Graph
from pipeline.graph.operators.entry import bind
from pipeline.quantize.observe import checked


@dataclass(frozen=True)
class Match:
    """The first batch norm's input on calibration data, beside what it saw in training.

    Attributes:
        node: the batch norm.
        shift: how far the mean lies off, in deviations that training saw: the median channel's.
        spread: the deviation over the one that training saw: the median channel's.
    """

    node: str
    shift: float
    spread: float


@torch.no_grad()
def match_preprocessing(graph: Graph, batches: Iterable[tuple[Tensor, ...]]) -> Match | None:
    """None where the model has no batch norm with statistics of its own. Raises TaskError for
    batches that the graph can't take."""
    norm = _first(graph.module)
    if norm is None:
        return None
    arguments = bind(norm)
    mean, variance = (
        _stored(graph.module, arguments[name]) for name in ("running_mean", "running_var")
    )
    looking = _Moments(graph.module, str(arguments["input"]))
    for inputs in checked(graph, batches):
        with suppress(_EnoughError):
            looking.run(*inputs)
    found_mean, found_variance = looking.moments()
    deviation = variance.sqrt().clamp_min(1e-12)
    shift = ((found_mean - mean).abs() / deviation).median()
    return Match(norm.name, float(shift), float((found_variance.sqrt() / deviation).median()))


def _first(module: GraphModule) -> Node | None:
    nodes: Iterable[Node] = module.graph.nodes
    for node in nodes:
        if node.target is torch.ops.aten.batch_norm.default and _has_statistics(node):
            return node
    return None


def _has_statistics(norm: Node) -> bool:
    return isinstance(bind(norm)["running_mean"], Node)


def _stored(module: GraphModule, item: object) -> Tensor:
    assert isinstance(item, Node)
    return module.get_buffer(str(item.target)).double()


class _EnoughError(Exception):
    """The node that was looked at has run."""


class _Moments(fx.Interpreter):
    """Runs a graph up to one node, and adds up its value's moments per channel."""

    def __init__(self, module: GraphModule, name: str) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self._name = name
        self._count = 0
        self._sums = torch.zeros((), dtype=torch.float64), torch.zeros((), dtype=torch.float64)

    def run_node(self, n: Node) -> object:
        """Runs one node; the one looked at is the last."""
        value = super().run_node(n)
        if n.name == self._name:
            assert isinstance(value, Tensor)
            self._add(value.double().transpose(0, 1).flatten(1))
            raise _EnoughError
        return value

    def moments(self) -> tuple[Tensor, Tensor]:
        """Mean and variance per channel."""
        mean = self._sums[0] / self._count
        return mean, (self._sums[1] / self._count - mean.square()).clamp_min(0)

    def _add(self, channels: Tensor) -> None:
        first, second = self._sums
        self._sums = first + channels.sum(1), second + channels.square().sum(1)
        self._count += channels.shape[1]
