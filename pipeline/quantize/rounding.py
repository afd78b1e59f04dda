"""Adaptive rounding: weights rounded up or down for their operator's output, not for themselves.

Nagel et al. 2020, "Up or Down? Adaptive Rounding for Post-Training Quantization": operator by
operator, on inputs that the rounded operators before it give and towards the float output behind
its activation (equation 25).
"""

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.fx import Node

from pipeline.graph import Graph
from pipeline.graph.operators.entry import bind
from pipeline.prune.consumers.rows import rows
from pipeline.prune.consumers.walk import Walk
from pipeline.quantize.fitting import ROWS, Fit
from pipeline.quantize.fold import fold, stored, weight_of, weighted
from pipeline.quantize.observe import checked
from pipeline.quantize.plan import QuantPlan, WeightQuantization
from pipeline.quantize.prepared import Prepared
from pipeline.quantize.progress import Tell, silently
from pipeline.quantize.quantizer import fused_activation
from pipeline.quantize.replica import WeightRounding, replica

PLACES = 8192
"""Output positions of all batches together that are looked at, at most."""
ELEMENTS = 2**24
"""Numbers in an operator's sampled inputs, at most: 64 MiB."""


@dataclass(frozen=True)
class RoundedWeight:
    """One operator: its output's squared error by adaptive rounding, over that by rounding to the
    nearest, on the data it was fitted to; and the share of weights that lie elsewhere now."""

    node: str
    error: float
    moved: float


@dataclass(frozen=True)
class Rounded:
    """A folded graph with weights on int8's grid, the plan with that grid, and what was done."""

    graph: Graph
    plan: QuantPlan
    weights: tuple[RoundedWeight, ...]


def round_weights(
    graph: Graph,
    plan: QuantPlan,
    batches: Sequence[tuple[Tensor, ...]],
    steps: int = 1000,
    seed: int = 0,
    tell: Tell = silently,
) -> Rounded:
    """A copy of the graph, batch norms folded, whose int8 weights lie where rounding to the nearest
    leaves them; the plan stores their scales.

    Args:
        graph: the float graph. It is not changed.
        plan: how it will be quantized. A weight that several operators share is left as it is.
        batches: a few hundred calibration samples in all: their activations are held in memory.
        steps: of the optimiser, for each operator.
        seed: of what is sampled.
        tell: takes progress.

    Raises ArtifactError for the plan of another model, TaskError for batches it can't take.
    """
    work = _Work(graph, plan, list(checked(graph, batches)), seed)
    found = []
    for done, node in enumerate(work.nodes):
        tell("rounding weights", done / len(work.nodes))
        found.append(work.round(node, steps))
    return Rounded(work.graph, work.plan(), tuple(found))


class _Work:
    """The float graph and the rounded one side by side."""

    def __init__(
        self, graph: Graph, plan: QuantPlan, batches: Sequence[tuple[Tensor, ...]], seed: int
    ) -> None:
        self.graph = fold(graph)
        self._planned = {entry.weight: entry for entry in plan.weights}
        uses = Counter(weight_of(node) for node in weighted(self.graph.module))
        self.nodes = [
            node
            for node in weighted(self.graph.module)
            if uses[weight_of(node)] == 1 and weight_of(node) in self._planned
        ]
        self._plan = plan
        self._generator = torch.Generator().manual_seed(seed)
        self._rounded = replica(self.graph, plan)
        self._roundings = _roundings(self._rounded)
        self._inner = {node.name: node for node in self._rounded.module.graph.nodes}
        hold = {
            read.name: node.name
            for node in map(self._inner.__getitem__, (node.name for node in self.nodes))
            for read in _weight_path(node)
        }
        with torch.no_grad():
            self._dense_walk = Walk(fold(graph).module, batches, {})
            self._walk = Walk(self._rounded.module, batches, hold)

    def plan(self) -> QuantPlan:
        """The plan with every weight's scales."""
        weights = tuple(self._stored(entry) for entry in self._plan.weights)
        return self._plan.model_copy(update={"weights": weights})

    def _stored(self, entry: WeightQuantization) -> WeightQuantization:
        scales = self._roundings[entry.weight].scales
        return entry.model_copy(update={"scales": tuple(scales.tolist())})

    def round(self, node: Node, steps: int) -> RoundedWeight:
        """Rounds one operator's weight in both graphs; those before it are done."""
        name = str(weight_of(node))
        inner, rounding = self._inner[node.name], self._roundings[name]
        with torch.no_grad():
            self._dense_walk.through(node.name)
            self._walk.through(node.name)
            fit = self._fit(node, inner, rounding)
        nearest = fit.loss(fit.nearest())
        chosen = fit.solve(steps, self._generator) if float(nearest) > 0 else fit.nearest()
        error = fit.loss(chosen)
        if not error < nearest:
            chosen, error = fit.nearest(), nearest
        moved = float((chosen != fit.nearest()).float().mean())
        with torch.no_grad():
            for module in (self.graph.module, self._rounded.module):
                weight = stored(module, name)
                weight.copy_(fit.reals(chosen).reshape(weight.shape))
            self._walk.again([*(read.name for read in reversed(_weight_path(inner))), node.name])
        ratio = float(error / nearest) if float(nearest) > 0 else 1.0
        return RoundedWeight(node.name, ratio, moved)

    def _fit(self, node: Node, inner: Node, rounding: WeightRounding) -> Fit:
        weight = stored(self.graph.module, str(weight_of(node)))
        reads = rows(node, weight)
        source = inner.all_input_nodes[0].name
        inputs, targets = [], []
        limit = max(ROWS, min(PLACES, ELEMENTS // max(1, weight[0].numel() * reads.groups)))
        for batch in range(len(self._walk)):
            target = self._dense_walk.value(node.name, batch)
            places = self._sample(reads.positions(target), limit // len(self._walk))
            inputs.append(reads.inputs(self._walk.value(source, batch), places))
            targets.append(reads.outputs(target, places))
        bias = bind(inner)["bias"]
        assert isinstance(bias, Node)
        offset = stored(self._rounded.module, str(bias.target))
        return Fit(
            torch.cat(inputs, 1),
            torch.cat(targets, 1),
            weight,
            offset,
            rounding,
            reads,
            _limits(node),
        )

    def _sample(self, count: int, limit: int) -> Tensor | None:
        limit = max(1, limit)
        if count <= limit:
            return None
        return torch.randperm(count, generator=self._generator)[:limit]


def _roundings(prepared: Prepared) -> dict[str, WeightRounding]:
    """The modules that round weights, by the weight."""
    found = {}
    for place in prepared.weights:
        rounding = prepared.observer(place)
        assert isinstance(rounding, WeightRounding)
        found[str(place.observed.target)] = rounding
    return found


def _weight_path(inner: Node) -> list[Node]:
    """From what rounds an operator's weight back to the weight; empty where it is not rounded."""
    path, node = [], inner.args[1]
    while isinstance(node, Node) and node.op == "call_module":
        path.append(node)
        node = node.args[0]
    if path and isinstance(node, Node):
        path.append(node)
    return path


def _limits(node: Node) -> tuple[float, float]:
    """Between which values the fused activation lets outputs pass."""
    after = fused_activation(node)
    if after is None:
        return -math.inf, math.inf
    if "relu6" in str(after.target):
        return 0.0, 6.0
    if "hardtanh" in str(after.target):
        arguments = bind(after)
        return _number(arguments["min_val"]), _number(arguments["max_val"])
    return 0.0, math.inf


def _number(item: object) -> float:
    assert isinstance(item, int | float)
    return float(item)
