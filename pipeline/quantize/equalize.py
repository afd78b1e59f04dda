"""Equalization: channels of one tensor brought to like ranges, for the weights behind to undo.

A tensor has one scale for all its channels, so those of small range are left few of its steps. A
positive factor per channel goes through rectifiers and sums: divided out of the weights that make
the channels and multiplied into those that read them, it changes no output (Nagel et al. 2019,
"Data-Free Quantization", section 4.1). Weights here have a scale per output channel, so what is
traded is not one weight's range for the other's, but the activation's range for the spread that
the reading weights then have over their inputs: s = sqrt(range of activation / range of weight),
as of Xiao et al. 2023, "SmoothQuant", equation 4 with α = ½.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import Tensor, fx
from torch.fx import GraphModule, Node
from torch.utils._pytree import tree_leaves

from pipeline.graph import Graph
from pipeline.graph.operators.entry import bind
from pipeline.quantize.channels import Stream, streams
from pipeline.quantize.fold import bias_of, fold, stored, weight_of
from pipeline.quantize.observe import checked
from pipeline.quantize.quantizer import fused_activation

TOLERANCE = 1e-5
"""Of the largest output: float32 rounds each weight and each bias once more."""
PASSES = 2
DEAD = 1e-6
"""A channel of less than this share of the largest goes with the others."""


@dataclass(frozen=True)
class Equalized:
    """A folded graph with like ranges, and what was done.

    Attributes:
        graph: computes what it did.
        changed: the tensors whose channels were brought to like ranges, by their first node, with
            the ratio of the largest range to the median one before and after.
        declined: the tensors whose channels had to stay, and why.
        error: the largest change of an output, relative to the largest output.
    """

    graph: Graph
    changed: tuple[tuple[str, float, float], ...]
    declined: tuple[tuple[str, str], ...]
    error: float


@torch.no_grad()
def equalize(graph: Graph, batches: Sequence[tuple[Tensor, ...]]) -> Equalized:
    """A copy of the graph, batch norms folded, whose tensors have channels of like ranges.

    The same net with channels rescaled across rectifiers gives the same result, up to rounding.
    Where outputs would move by more than 1e-5 of the largest, the folded graph is given as it is.
    Activations are to be observed anew: a plan made before doesn't fit its scales.

    Args:
        graph: the float graph. It is not changed.
        batches: calibration inputs, a few hundred samples in all.

    Raises TaskError for batches that the graph can't take.
    """
    inputs = list(checked(graph, batches))
    before, after = fold(graph), fold(graph)
    found = streams(after.module)
    free = [stream for stream in found if not stream.pinned]
    ranges = _ranges(after.module, free, inputs)
    seen = [_seen(stream, ranges) for stream in free]
    left = _rescale_all(after.module, free, seen)
    changed = [
        (stream.tensors[0].name, _spread(one), _spread(other))
        for stream, one, other in zip(free, seen, left, strict=True)
    ]
    declined = [(stream.tensors[0].name, stream.pinned) for stream in found if stream.pinned]
    error = _error(before.module, after.module, inputs[0])
    if not error <= TOLERANCE:
        why = f"the outputs moved by {error:.1g} of the largest"
        declined += [(name, why) for name, _, _ in changed]
        return Equalized(before, (), tuple(declined), error)
    return Equalized(after, tuple(changed), tuple(declined), error)


class _Ranges(fx.Interpreter):
    """Keeps the largest absolute value of each channel of the streams' tensors."""

    def __init__(self, module: GraphModule, found: Sequence[Stream]) -> None:
        super().__init__(module)
        self.extra_traceback = False
        self.found: dict[str, Tensor] = {}
        self._axes = {node.name: stream.axis for stream in found for node in stream.tensors}

    def run_node(self, n: Node) -> object:
        """Runs one node and looks at what it gives."""
        value = super().run_node(n)
        if n.name in self._axes and isinstance(value, Tensor):
            largest = value.abs().movedim(self._axes[n.name], 0).flatten(1).amax(1)
            known = self.found.get(n.name)
            self.found[n.name] = largest if known is None else torch.maximum(known, largest)
        return value


def _ranges(
    module: GraphModule, found: Sequence[Stream], batches: Sequence[tuple[Tensor, ...]]
) -> dict[str, Tensor]:
    looking = _Ranges(module, found)
    for inputs in batches:
        looking.run(*inputs)
    return looking.found


def _seen(stream: Stream, ranges: dict[str, Tensor]) -> Tensor:
    """The largest value of each channel in the tensors that int8 rounds, in float64 (C,)."""
    rounded = [node for node in stream.tensors if fused_activation(node) is None]
    found = [ranges[node.name].double().reshape(stream.size, -1).amax(1) for node in rounded]
    return torch.stack(found).amax(0)


def _rescale_all(
    module: GraphModule, free: Sequence[Stream], seen: Sequence[Tensor]
) -> list[Tensor]:
    """Rescales in place, and gives the ranges that are left. Proportions are final after one pass;
    the size of all factors together depends on the neighbours'."""
    left = list(seen)
    for _ in range(PASSES):
        for index, stream in enumerate(free):
            factors = _factors(module, stream, left[index])
            _rescale(module, stream, factors)
            left[index] = left[index] / factors
    return left


def _factors(module: GraphModule, stream: Stream, seen: Tensor) -> Tensor:
    """What each channel is divided by (C,).

    All of them together are as large as leaves the weights on both sides of like size, so that no
    scale comes near the least one: only their proportions are a matter of accuracy.
    """
    made = torch.stack([_rows(module, node) for node in stream.producers]).amax(0)
    reading = [_columns(module, node, repeat, seen) for node, repeat in stream.consumers]
    raw = torch.stack([largest for largest, _ in reading]).amax(0)
    weighed = torch.stack([share for _, share in reading]).amax(0)
    alive = (seen > DEAD * seen.max()) & (made > 0) & (raw > 0)
    if not bool(alive.any()):
        return torch.ones_like(seen)
    factors = torch.where(alive, (seen / weighed).sqrt(), 1.0)
    balance = (made / raw / factors.square())[alive].log().mean() / 2
    usual = factors[alive].log().mean().exp()
    return torch.where(alive, factors, usual) * balance.exp()


def _rows(module: GraphModule, node: Node) -> Tensor:
    """The largest weight of each output channel."""
    return _weight(module, node).double().flatten(1).abs().amax(1)


def _columns(module: GraphModule, node: Node, repeat: int, seen: Tensor) -> tuple[Tensor, Tensor]:
    """Of each input channel, the largest weight that reads it: as it is, and as a share of what its
    output channel adds up to, which no factor changes."""
    weight = _by_channel(module, node, repeat).double().abs()
    groups = weight.shape[0]
    sums = (weight * seen.reshape(groups, 1, -1, 1)).square().sum((2, 3), keepdim=True).sqrt()
    share = weight / sums.clamp_min(torch.finfo(torch.float64).tiny)
    return weight.amax((1, 3)).flatten(), share.amax((1, 3)).flatten()


def _by_channel(module: GraphModule, node: Node, repeat: int) -> Tensor:
    """A view of a weight as (groups, outputs of a group, channels of a group, the rest)."""
    weight = _weight(module, node)
    groups = bind(node).get("groups", 1)
    assert isinstance(groups, int)
    return weight.reshape(groups, weight.shape[0] // groups, weight.shape[1] // repeat, -1)


def _rescale(module: GraphModule, stream: Stream, factors: Tensor) -> None:
    for node in stream.producers:
        weight = _weight(module, node)
        factor = factors.reshape(-1, *[1] * (weight.dim() - 1))
        weight.copy_(weight.double() / factor)
        bias = stored(module, bias_of(node))
        bias.copy_(bias.double() / factors)
    for node, repeat in stream.consumers:
        weight = _weight(module, node)
        view = _by_channel(module, node, repeat)
        scaled = view.double() * factors.reshape(view.shape[0], 1, -1, 1)
        weight.copy_(scaled.reshape(weight.shape))


def _weight(module: GraphModule, node: Node) -> Tensor:
    return stored(module, str(weight_of(node)))


def _spread(ranges: Tensor) -> float:
    alive = ranges[ranges > 0]
    return float(alive.max() / alive.median()) if len(alive) else 1.0


def _error(before: GraphModule, after: GraphModule, inputs: tuple[Tensor, ...]) -> float:
    pairs = zip(tree_leaves(before(*inputs)), tree_leaves(after(*inputs)), strict=True)
    errors = [
        float((one - other).abs().max() / one.abs().max().clamp_min(1e-30))
        for one, other in pairs
        if isinstance(one, Tensor) and one.is_floating_point()
    ]
    return max(errors, default=0.0)
