"""Property: whatever residual net is built, with in-place operators, views and taps of its stream,
every subset of its blocks goes as the reference says, or is declined with a reason."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, apply, find_blocks, observe_blocks, plan, plan_blocks
from pipeline.prune.reference import differences

TOLERANCE = 1e-9  # see conftest.py
Randomise = Callable[[nn.Module, int], nn.Module]
RandomPlan = Callable[[PrunePlan, int], PrunePlan]
KINDS = (
    "sum",
    "into branch",
    "into stream",
    "plain",
    "gate",
    "gate in place",
    "parallel",
    "nested",
)
ACTIVATIONS: dict[str, Callable[[Tensor], Tensor]] = {
    "none": lambda x: x,
    "relu": F.relu,
    "relu in place": F.relu_,
    "silu": F.silu,
}
TAPS = ("none", "before", "view before", "after", "written after")


@dataclass(frozen=True)
class Shape:
    """One step of a net: how its branch joins, what follows, and what else reads its stream."""

    kind: str
    activation: str
    tap: str


class Step(nn.Module):
    """One step; `taps` gathers what the head reads besides."""

    def __init__(self, shape: Shape, width: int) -> None:
        super().__init__()
        self.shape = shape
        self.one, self.two = nn.Conv2d(width, 6, 3, 1, 1), nn.Conv2d(6, width, 1)
        self.norm, self.other = nn.BatchNorm2d(width), nn.Conv2d(width, width, 1)

    def forward(self, x: Tensor, taps: list[Tensor]) -> Tensor:
        if self.shape.tap == "before":
            taps.append(x)
        elif self.shape.tap == "view before":
            taps.append(x.flatten(2)[:, :, :3].unsqueeze(-1))
        x = ACTIVATIONS[self.shape.activation](self.join(x))
        if self.shape.tap == "after":
            taps.append(x)
        elif self.shape.tap == "written after":
            x.mul_(0.5)
        return x

    def join(self, x: Tensor) -> Tensor:
        y = self.two(F.relu_(self.one(x)))
        match self.shape.kind:
            case "sum":
                return x + self.norm(y)
            case "into branch":
                y += x
                return y
            case "into stream":
                return x.add_(y)
            case "plain":
                return self.norm(y)
            case "gate":
                return x * y.sigmoid()
            case "gate in place":
                return x.mul_(y.sigmoid())
            case "writing":
                return x + self.two(F.relu_(self.one(x.mul_(0.5))))
            case "slicing":
                return x + self.other(F.pad(x[:, :3].mul_(0.5), (0, 0, 0, 0, 1, 2)))
            case "parallel":
                return x + y + self.other(x)
            case _:
                inner = y + self.other(y)
                return x + self.norm(inner)


class Net(nn.Module):
    """A stem, steps, and a head that reads the stream and its taps."""

    def __init__(self, shapes: list[Shape]) -> None:
        super().__init__()
        self.stem = nn.Conv2d(2, 6, 3, 1, 1)
        self.steps = nn.ModuleList(Step(shape, 6) for shape in shapes)
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        taps: list[Tensor] = []
        for step in self.steps:
            x = step(x, taps)
        return self.head(x.mean((2, 3)) + sum(tap.mean((2, 3)) for tap in taps))


shapes = st.builds(
    Shape, st.sampled_from(KINDS), st.sampled_from(list(ACTIVATIONS)), st.sampled_from(TAPS)
)


def subset(graph: Graph, seed: int) -> list[str]:
    """Removable blocks in a random order, without those that overlap one before."""
    generator = np.random.default_rng(seed)
    found = [block for block in find_blocks(graph) if block.reason is None]
    taken = []
    for place in generator.permutation(len(found))[: int(generator.integers(1, 4))]:
        if not any(map(found[place].overlaps, taken)):
            taken.append(found[place])
    return [block.name for block in taken]


def check(randomise: Randomise, random_plan: RandomPlan, built: list[Shape], seed: int) -> None:
    module = randomise(Net(built), seed)
    inputs = (torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(seed)).double(),)
    graph = trace(module, (inputs[0][:1],))
    blocks = plan_blocks(observe_blocks(graph), names=subset(graph, seed))
    made = plan(graph, ratio=0.5, blocks=blocks)
    for one in (made, random_plan(made, seed)):
        small = apply(graph, one)
        found = differences(graph, one, small, inputs)
        worst = max(found, key=lambda name: found[name])
        assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"


@settings(max_examples=15, deadline=None, derandomize=True)
@given(built=st.lists(shapes, min_size=1, max_size=4), seed=st.integers(0, 10_000))
def test_any_blocks_of_a_random_net_equal_the_reference(
    randomise: Randomise, random_plan: RandomPlan, built: list[Shape], seed: int
) -> None:
    check(randomise, random_plan, built, seed)


@pytest.mark.slow
@settings(max_examples=100, deadline=None, derandomize=True)
@given(built=st.lists(shapes, min_size=1, max_size=5), seed=st.integers(0, 10_000))
def test_any_blocks_of_many_random_nets_equal_the_reference(
    randomise: Randomise, random_plan: RandomPlan, built: list[Shape], seed: int
) -> None:
    check(randomise, random_plan, built, seed)
