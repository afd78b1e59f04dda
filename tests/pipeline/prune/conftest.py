"""The proof that pruning tests rest on: every node equals the reference in float64."""

from collections.abc import Callable

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.reference import differences

# Sums of at most 10^4 float64 products of order one, in another order: 1e4 · 1.1e-16 ≈ 1e-12,
# amplified a thousandfold by norms over few channels.
TOLERANCE = 1e-9


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
