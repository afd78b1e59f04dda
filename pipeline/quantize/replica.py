"""A float copy of what a plan makes of a graph: every rounding is a module of its own."""

import torch
from torch import Tensor, nn

from pipeline.graph import Graph
from pipeline.quantize.apply import check_fits
from pipeline.quantize.plan import QuantPlan
from pipeline.quantize.prepared import Prepared, prepare
from pipeline.quantize.ranges import GREATEST, LEAST
from pipeline.quantize.weights import integers, scales_of, spread


class ActivationRounding(nn.Module):
    """Values as int8 holds them."""

    def __init__(self, scale: float, zero_point: int) -> None:
        super().__init__()
        self._affine = scale, zero_point

    def forward(self, values: Tensor) -> Tensor:
        """Any shape."""
        return torch.fake_quantize_per_tensor_affine(values, *self._affine, LEAST, GREATEST)


class WeightRounding(nn.Module):
    """A weight as int8 holds it, with a scale per channel."""

    def __init__(self, scales: Tensor, channel_axis: int) -> None:
        super().__init__()
        self.scales = scales
        self.channel_axis = channel_axis

    def forward(self, weight: Tensor) -> Tensor:
        """The weight's own shape."""
        scales = spread(self.scales, weight, self.channel_axis)
        return integers(weight, self.scales, self.channel_axis) * scales


def replica(graph: Graph, plan: QuantPlan) -> Prepared:
    """A copy of the graph with batch norms folded that computes what the int8 graph does.

    Nodes keep their names; weights are its own, and may be changed in place. Raises ArtifactError
    for the plan of another model, naming the first difference.
    """
    prepared = prepare(graph.module, frozenset(plan.keeps), float_outlets=plan.float_outlets)
    check_fits(prepared, plan)
    activations = {entry.tensor: entry for entry in plan.tensors}
    for place in prepared.activations:
        entry = activations[place.tensor]
        prepared.replace(place, ActivationRounding(entry.scale, entry.zero_point))
    weights = {entry.weight: entry for entry in plan.weights}
    for place in prepared.weights:
        of_weight = weights[str(place.observed.target)]
        scales = scales_of(prepared.weight(place), of_weight, plan.settings)
        prepared.replace(place, WeightRounding(scales, of_weight.channel_axis))
    return prepared
