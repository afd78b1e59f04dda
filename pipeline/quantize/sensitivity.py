"""What each region costs in int8: how much nearer the outputs come when it alone stays float."""

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils._pytree import tree_leaves

from pipeline.graph import Graph
from pipeline.quantize.keeping import keeping
from pipeline.quantize.observe import checked
from pipeline.quantize.plan import QuantPlan
from pipeline.quantize.progress import Tell, silently
from pipeline.quantize.regions import Region, regions
from pipeline.quantize.replica import replica

EXACT_DB = 150.0
"""No more is told: float32 itself holds about that much."""


@dataclass(frozen=True)
class Gain:
    """What leaving a region float regains: decibels of signal to quantization noise at the
    outputs."""

    region: Region
    gain_db: float


@torch.no_grad()
def float_gains(
    graph: Graph,
    plan: QuantPlan,
    batches: Sequence[tuple[Tensor, ...]],
    among: Iterable[Region] | None = None,
    tell: Tell = silently,
) -> tuple[Gain, ...]:
    """Every region's gain, the largest first.

    Args:
        graph: the float graph.
        plan: how it is quantized; what it keeps float stays so.
        batches: calibration inputs; some tens of samples tell regions apart.
        among: the regions to try; all of the graph's without.
        tell: takes progress.

    Raises ArtifactError for the plan of another model, TaskError for batches it can't take.
    """
    inputs = list(checked(graph, batches))
    references = [_leaves(graph.module(*one)) for one in inputs]
    start = _sqnr(replica(graph, plan).module, inputs, references)
    found = []
    candidates = tuple(regions(graph) if among is None else among)
    for done, region in enumerate(candidates):
        tell("trying regions in float", done / len(candidates))
        kept = keeping(graph, plan, region.nodes)
        after = _sqnr(replica(graph, kept).module, inputs, references)
        found.append(Gain(region, after - start))
    return tuple(sorted(found, key=lambda gain: -gain.gain_db))


@torch.no_grad()
def sqnr_db(graph: Graph, plan: QuantPlan, batches: Sequence[tuple[Tensor, ...]]) -> float:
    """Signal to quantization noise at the outputs of the graph as the plan quantizes it, in
    decibels: the mean over outputs. Errors as `float_gains`."""
    inputs = list(checked(graph, batches))
    references = [_leaves(graph.module(*one)) for one in inputs]
    return _sqnr(replica(graph, plan).module, inputs, references)


def _sqnr(
    module: torch.nn.Module,
    inputs: Sequence[tuple[Tensor, ...]],
    references: Sequence[Sequence[Tensor]],
) -> float:
    found = [_leaves(module(*one)) for one in inputs]
    ratios = []
    for expected, given in zip(
        zip(*references, strict=True), zip(*found, strict=True), strict=True
    ):
        signal = sum(float(one.square().sum()) for one in expected)
        pairs = zip(expected, given, strict=True)
        noise = sum(float((one - other).square().sum()) for one, other in pairs)
        ratios.append(_decibels(signal, noise))
    return sum(ratios) / len(ratios)


def _decibels(signal: float, noise: float) -> float:
    if signal == 0:
        return 0.0
    least = signal * 10 ** (-EXACT_DB / 10)
    return 10 * math.log10(signal / max(noise, least))


def _leaves(outputs: object) -> list[Tensor]:
    """The float tensors among the outputs."""
    found = [one for one in tree_leaves(outputs) if isinstance(one, Tensor)]
    return [one.double() for one in found if one.is_floating_point()]
