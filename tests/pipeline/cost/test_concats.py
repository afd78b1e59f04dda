"""A net whose every layer reads a concat of all before it: charged and planned in few numbers."""

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.cost.reading import read
from pipeline.graph import Graph, trace
from pipeline.prune import apply
from pipeline.prune.limits import Charge, Legal
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.widths import allowed_widths
from pipeline.prune.within import best_within
from pipeline.standin import stand_in


class Layer(nn.Module):
    """As in a DenseNet: a norm of everything so far, a narrow layer, a layer that adds to it."""

    def __init__(self, given: int, growth: int) -> None:
        super().__init__()
        self.norm, self.narrow = nn.BatchNorm2d(given), nn.Conv2d(given, 2 * growth, 1)
        self.grow = nn.Conv2d(2 * growth, growth, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        return self.grow(self.narrow(self.norm(x).relu()).relu())


class Dense(nn.Module):
    """Two stages of layers that each read all before them in their stage."""

    def __init__(self, stem: int = 24, growth: int = 16, depth: int = 7) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, stem, 3, padding=1)
        self.one = nn.ModuleList(Layer(stem + n * growth, growth) for n in range(depth))
        full = stem + depth * growth
        self.between = nn.Conv2d(full, full // 2, 1)
        half = full // 2
        self.two = nn.ModuleList(Layer(half + n * growth, growth) for n in range(depth))
        self.head = nn.Linear(half + depth * growth, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer in self.one:
            x = torch.cat([x, layer(x)], 1)
        x = nn.functional.avg_pool2d(self.between(x), 2)
        for layer in self.two:
            x = torch.cat([x, layer(x)], 1)
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="module")
def graph() -> Graph:
    torch.manual_seed(0)
    return trace(Dense().eval(), (torch.zeros(1, 3, 8, 8),))


def test_it_is_planned_exactly_whatever_its_combinations(graph: Graph) -> None:
    """Fourteen layers, the last of which has some 10^9 combinations of widths in front of it."""
    model = read(graph).model
    legal = Legal({name: allowed_widths(size, 2) for name, size in model.groups.items()})
    largest = max(
        np.prod([float(len(legal.widths[name])) for name in site.groups()]) for site in model.sites
    )
    assert largest > 1e8
    whole = {"latency_ms.p50": 1.0, "size_kb": 100.0}
    charges = stand_in(model, legal, whole, "fp32")
    numbers = sum(
        term.values.size + sum(one.values.size for one in term.slopes)
        for charge in charges
        for term in charge.terms
    )
    assert numbers < 100_000
    sensitivity = Sensitivity(
        divergence={
            name: {width: (1 + place % 3) * (1 - width / size) ** 2 for width in range(2, size)}
            for place, (name, size) in enumerate(model.groups.items())
        }
    )
    held = [Charge(one.limit, 0.5 * one.most, one.constant, one.terms) for one in charges]
    found = best_within(
        graph, charges=held, legal=legal, sensitivity=sensitivity, time_limit_s=120.0
    )
    assert found.gap < 0.01
    for one in held:
        assert one.of(legal, {}) == pytest.approx(2 * one.most)
        assert found.costs[one.limit] == pytest.approx(one.of(legal, found.widths))
    present = read(graph).present(apply(graph, found.plan))
    assert found.plan.macs_kept <= 0.5 * found.plan.macs_dense * 1.001
    assert present == model.present(found.widths)


def test_its_memory_is_charged_for_every_moment(graph: Graph) -> None:
    model = read(graph).model
    legal = Legal({name: allowed_widths(size, 2) for name, size in model.groups.items()})
    charges = stand_in(model, legal, {"peak_memory_mb": 20.0}, "fp32")
    assert len(charges) > 1
    assert max(one.of(legal, {}) for one in charges) == pytest.approx(20.0)
    narrow = {name: own[0] for name, own in legal.widths.items()}
    assert max(one.of(legal, narrow) for one in charges) < 20.0
