"""Property: whatever net is built of these layers, pruned and reference agree at every node.
A second oracle knows nothing of labels: the original with what is removed of its parameters zero.
"""

from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.reference import differences

TOLERANCE = 1e-9  # see conftest.py
Randomise = Callable[[nn.Module, int], nn.Module]
RandomPlan = Callable[[PrunePlan, int], PrunePlan]
PlanOfAny = Callable[[Graph, PrunePlan, int], PrunePlan]
Apart = Callable[[Graph, Graph, tuple[Tensor, ...]], float]


@dataclass(frozen=True)
class Layer:
    """One step of a random net: its kind, its width, and which activation follows."""

    kind: str
    width: int
    activation: int


class Step(nn.Module):
    """A layer with its norm and activation; gives as many channels as `out` says."""

    def __init__(self, layer: Layer, into: int, norm: bool) -> None:
        super().__init__()
        self.kind, width, self.out = layer.kind, layer.width, layer.width
        self.activation = (F.relu, F.silu, torch.tanh, F.hardswish)[layer.activation]
        conv = partial(nn.Conv2d, into, kernel_size=3, padding=1)
        match layer.kind:
            case "convolution":
                self.body = conv(width)
            case "residual":
                self.body, self.out = conv(into), into
            case "bottleneck":
                self.body = nn.Sequential(conv(width), nn.BatchNorm2d(width), nn.ReLU(True))
                self.body.append(nn.Conv2d(width, into, 1))
                self.out = into
            case "depthwise":
                self.body, self.out = conv(into, groups=into), into
            case "multiplied":
                self.body, self.out = conv(2 * into, groups=into), 2 * into
            case "dense":
                self.body, self.out = conv(width), into + width
            case "padded":
                self.body, self.out = conv(into + 6), into + 6
            case "gated":
                self.body, self.out = conv(2 * width), width
            case "grouped" | "transposed":
                layer_of = nn.Conv2d if layer.kind == "grouped" else nn.ConvTranspose2d
                groups = _divisor(into, width)
                self.out = groups * width
                self.body = layer_of(into, self.out, 3, 1, padding=1, groups=groups)
            case "cardinal":
                inner = 5 * (width // 2)
                self.body = nn.Sequential(nn.Conv2d(into, inner, 1), nn.ReLU())
                self.body.append(nn.Conv2d(inner, inner, 3, padding=1, groups=5))
                self.body.append(nn.Conv2d(inner, into, 1))
                self.out = into
            case "shuffled":
                groups = _divisor(into, width)
                self.body = nn.Sequential(nn.Conv2d(into, groups * width, 1, groups=groups))
                self.body.append(nn.ChannelShuffle(groups))
                self.body.append(nn.Conv2d(groups * width, into, 1, groups=groups))
                self.out = into
            case "scaled":
                self.body, self.out = nn.Linear(into, into), into
        self.norm = nn.BatchNorm2d(self.out) if norm else nn.Identity()

    def forward(self, x: Tensor) -> Tensor:
        return self.activation(self.norm(self._combine(x)))

    def _combine(self, x: Tensor) -> Tensor:
        match self.kind:
            case "residual" | "bottleneck" | "cardinal" | "shuffled":
                return x + self.body(x)
            case "dense":
                return torch.cat([x, self.body(x)], 1)
            case "padded":
                return F.pad(x, (0, 0, 0, 0, 2, 4)) + self.body(x)
            case "gated":
                a, b = self.body(x).chunk(2, 1)
                return a * b.sigmoid()
            case "scaled":
                return x * self.body(x.mean((2, 3)))[:, :, None, None]
            case _:
                return self.body(x)


def _divisor(channels: int, wish: int) -> int:
    """One of the numbers of groups that channels can be cut into."""
    found = [number for number in range(1, channels) if channels % number == 0]
    return found[wish % len(found)]


class Net(nn.Module):
    """A stem, random layers, and a head that either pools or flattens."""

    def __init__(self, layers: list[Layer], flatten: bool, norm: bool) -> None:
        super().__init__()
        self.stem, width = nn.Conv2d(2, 12, 3, padding=1), 12
        self.steps = nn.ModuleList()
        for layer in layers:
            self.steps.append(Step(layer, width, norm))
            width = self.steps[-1].out
        self.flatten = flatten
        self.head = nn.Linear(width * (16 if flatten else 1), 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        for step in self.steps:
            x = step(x)
        return self.head(x.flatten(1) if self.flatten else x.mean((2, 3)))


KINDS = (
    *("convolution", "residual", "bottleneck", "depthwise", "multiplied", "dense"),
    *("padded", "gated", "grouped", "transposed", "cardinal", "shuffled", "scaled"),
)
# Of few channels in groups, groups that do not divide each other may leave nothing to choose.
TANGLING = {"grouped", "transposed", "shuffled"}
layers = st.lists(
    st.builds(Layer, st.sampled_from(KINDS), st.integers(5, 12), st.integers(0, 3)),
    min_size=1, max_size=4,
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(layers=layers, flatten=st.booleans(), norm=st.booleans(), seed=st.integers(0, 10_000))
def test_every_node_of_a_random_net_equals_the_reference(
    randomise: Randomise,
    random_plan: RandomPlan,
    plan_of_any: PlanOfAny,
    apart_from_zeroed: Apart,
    layers: list[Layer],
    flatten: bool,
    norm: bool,
    seed: int,
) -> None:
    module = randomise(Net(layers, flatten, norm), seed)
    graph = trace(module, (torch.zeros(1, 2, 4, 4).double(),))
    half = plan(graph, ratio=0.5)
    assert any(group.removed for group in half.groups) or TANGLING & {one.kind for one in layers}
    inputs = (torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(seed)).double(),)
    for chosen in (random_plan(half, seed), plan_of_any(graph, half, seed)):
        small = apply(graph, chosen)
        found = differences(graph, chosen, small, inputs)
        worst = max(found, key=lambda name: found[name])
        assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"
        assert apart_from_zeroed(graph, small, inputs) <= TOLERANCE
