"""The proof that pruning tests rest on: every node equals the reference in float64. And the little
nets that several of them prune."""

from collections.abc import Callable
from functools import cache
from itertools import pairwise

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.reference import differences

# Sums of at most 10^4 float64 products of order one, in another order: 1e4 · 1.1e-16 ≈ 1e-12,
# amplified a thousandfold by norms over few channels.
TOLERANCE = 1e-9


class Residual(nn.Module):
    """A stream of 16 with two branches, then a stage of 24 with one."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.one, self.two = nn.Conv2d(16, 24, 3, padding=1), nn.Conv2d(24, 16, 3, padding=1)
        self.up, self.down = nn.Conv2d(16, 12, 1), nn.Conv2d(12, 16, 1)
        self.wide = nn.Conv2d(16, 24, 3, 2, 1)
        self.a, self.b = nn.Conv2d(24, 20, 3, padding=1), nn.Conv2d(20, 24, 3, padding=1)
        self.head = nn.Linear(24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = x + self.two(self.one(x).relu())
        x = x + self.down(self.up(x).relu())
        x = self.wide(x).relu()
        x = x + self.b(self.a(x).relu())
        return self.head(x.mean((2, 3)))


class Plain(nn.Module):
    """Layers in a row, of which two keep their shape."""

    def __init__(self) -> None:
        super().__init__()
        widths = (3, 12, 12, 12, 20)
        self.layers = nn.ModuleList(nn.Conv2d(a, b, 3, padding=1) for a, b in pairwise(widths))
        self.head = nn.Linear(20, 5)

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = layer(x).relu()
        return self.head(x.mean((2, 3)))


class Heads(nn.Module):
    """Groups that multiply."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.inner, self.out = nn.Linear(8, 24), nn.Linear(24, 48), nn.Linear(6, 24)
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        y = self.inner(x).unflatten(-1, (8, 6)).mean(-2)
        return self.head(x + self.out(y))


NETS = {
    "residual": (Residual, (1, 3, 8, 8)),
    "plain": (Plain, (1, 3, 8, 8)),
    "heads": (Heads, (1, 8)),
}


def _traced(net: str) -> Graph:
    torch.manual_seed(0)
    build, shape = NETS[net]
    return trace(build().double().eval(), (torch.randn(shape, dtype=torch.float64),))


@pytest.fixture(scope="session")
def graph_of() -> Callable[[str], Graph]:
    """A little net by its name, traced in float64. Shared by tests, none of which changes it."""
    return cache(_traced)


@pytest.fixture(scope="session")
def fresh_graph() -> Callable[[str], Graph]:
    """The same, traced anew."""
    return _traced


def _random_plan(planned: PrunePlan, seed: int) -> PrunePlan:
    """The same groups with random channels removed, at least one kept."""
    generator = np.random.default_rng(seed)
    groups = []
    for group in planned.groups:
        count = int(generator.integers(0, group.size)) if group.reason is None else 0
        removed = sorted(generator.permutation(group.size)[:count].tolist())
        groups.append(group.model_copy(update={"removed": tuple(removed)}))
    return planned.model_copy(update={"groups": tuple(groups)})


def _plan_of_any(graph: Graph, planned: PrunePlan, seed: int) -> PrunePlan:
    """Random channels removed of all groups, those that a plan leaves alone as well: of axes that
    multiply all lose some. Groups are left whole, the first ones first, while a dimension of the
    model would be empty."""
    anything = [group.model_copy(update={"reason": None}) for group in planned.groups]
    bold = _random_plan(planned.model_copy(update={"groups": tuple(anything)}), seed)
    groups, found = list(bold.groups), survey(graph)
    for place, group in enumerate(groups):
        removed = {one.name: one.removed for one in groups}
        if (found.census.kept(found.alive(removed)) > 0).all():
            break
        groups[place] = group.model_copy(update={"removed": ()})
    return bold.model_copy(update={"groups": tuple(groups)})


def assert_equal(graph: Graph, chosen: PrunePlan, inputs: tuple[torch.Tensor, ...]) -> Graph:
    """Apply, and compare every node with the reference, also at another batch size."""
    small = apply(graph, chosen)
    sizes = (2, 3) if graph.dynamic_batch else (inputs[0].shape[0],)
    for batch in sizes:
        some = tuple(torch.cat([one, one.flip(-1)] * batch)[:batch] for one in inputs)
        found = differences(graph, chosen, small, some)
        worst = max(found, key=lambda name: found[name])
        assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"
    return small


@pytest.fixture(scope="session")
def random_plan() -> Callable[[PrunePlan, int], PrunePlan]:
    """Removes random channels in place of those that a plan removes."""
    return _random_plan


@pytest.fixture(scope="session")
def plan_of_any() -> Callable[[Graph, PrunePlan, int], PrunePlan]:
    """The same, of every group of a graph, whatever the plan's reason to leave it alone."""
    return _plan_of_any


@pytest.fixture
def prove(randomise: Callable[..., nn.Module]) -> Callable[..., PrunePlan]:
    """Prune a module by half and at random; every node must equal the reference.

    Gives the plan for half, so that a test can say what must have been pruned.
    """

    def run(module: nn.Module, *inputs: torch.Tensor, ratio: float = 0.5) -> PrunePlan:
        inputs = tuple(one.double() if one.is_floating_point() else one for one in inputs)
        graph = trace(randomise(module), inputs)
        half = plan(graph, ratio=ratio)
        assert_equal(graph, half, inputs)
        for seed in range(2):
            assert_equal(graph, _random_plan(half, seed), inputs)
        return half

    return run
