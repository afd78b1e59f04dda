"""Bias correction: what rounding shifts on average, taken back.

The expected error of an operator's output is not zero: weights and inputs were rounded once and
for all. Subtracted from the bias it costs nothing (Nagel et al. 2019, "Data-Free Quantization",
section 4.2, in its empirical form, appendix D).
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor

from pipeline.graph import Graph
from pipeline.prune.consumers.walk import Walk
from pipeline.quantize.fold import bias_of, fold, stored, weight_of, weighted
from pipeline.quantize.observe import checked
from pipeline.quantize.plan import QuantPlan
from pipeline.quantize.progress import Tell, silently
from pipeline.quantize.replica import replica


@dataclass(frozen=True)
class Shift:
    """One operator's correction: its norm over the norm of the output's channel means."""

    node: str
    relative: float


@dataclass(frozen=True)
class Corrected:
    """A folded graph with corrected biases, and what was corrected."""

    graph: Graph
    shifts: tuple[Shift, ...]


@torch.no_grad()
def correct_bias(
    graph: Graph, plan: QuantPlan, batches: Sequence[tuple[Tensor, ...]], tell: Tell = silently
) -> Corrected:
    """A copy of the graph whose int8 operators give, on average per channel, what they gave in
    float; batch norms are folded. Weights stay, so that the plan still fits.

    Operators are corrected in the graph's order, each on inputs that those before it give. A bias
    that several share is left as it is.

    Args:
        graph: the float graph. It is not changed.
        plan: how it will be quantized.
        batches: a few hundred calibration samples in all: their activations are held in memory.
        tell: takes progress.

    Raises ArtifactError for the plan of another model, TaskError for batches it can't take.
    """
    folded = fold(graph)
    inputs = list(checked(graph, batches))
    rounded = replica(folded, plan).module
    dense_walk, rounded_walk = (Walk(one, inputs, {}) for one in (fold(graph).module, rounded))
    planned = {entry.weight for entry in plan.weights}
    uses = Counter(bias_of(node) for node in weighted(folded.module))
    nodes = [
        node
        for node in weighted(folded.module)
        if weight_of(node) in planned and uses[bias_of(node)] == 1
    ]
    shifts = []
    for done, node in enumerate(nodes):
        tell("correcting biases", done / len(nodes))
        for walk in (dense_walk, rounded_walk):
            walk.through(node.name)
        axis = 1 if "conv" in str(node.target) else -1
        means = _means(dense_walk, node.name, axis)
        shift = means - _means(rounded_walk, node.name, axis)
        for module in (folded.module, rounded):
            stored(module, bias_of(node)).add_(shift.float())
        rounded_walk.again([node.name])
        shifts.append(Shift(node.name, float(shift.norm() / means.norm().clamp_min(1e-30))))
    return Corrected(folded, tuple(shifts))


def _means(walk: Walk, name: str, axis: int) -> Tensor:
    """A value's mean per channel over all batches, in float64."""
    values = [walk.value(name, batch).movedim(axis, 0).flatten(1) for batch in range(len(walk))]
    total = torch.stack([value.double().sum(1) for value in values]).sum(0)
    return total / sum(value.shape[1] for value in values)
