"""Which blocks go is a pure function of numbers; the numbers are observed, not assumed."""

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import (
    BlockCost,
    BlockEvidence,
    CalibrationData,
    measure_blocks,
    plan_blocks,
)
from targets.errors import UsageError


def evidence(*divergences: float | None, macs: int = 10, total: int = 100) -> BlockEvidence:
    blocks = [BlockCost(f"b.{n}", macs, 5, found) for n, found in enumerate(divergences)]
    return BlockEvidence(tuple(blocks), total)


def going(plans) -> list[str]:
    return [plan.name for plan in plans if plan.removed]


def test_the_least_divergence_goes_first() -> None:
    found = evidence(0.3, 0.1, 0.2)
    assert going(plan_blocks(found, count=0)) == []
    assert going(plan_blocks(found, count=1)) == ["b.1"]
    assert going(plan_blocks(found, count=2)) == ["b.1", "b.2"]
    assert going(plan_blocks(found, count=2, keep=["b.1"])) == ["b.0", "b.2"]
    assert going(plan_blocks(found, macs=0.81)) == ["b.1", "b.2"]
    assert going(plan_blocks(found, macs=1.0)) == []
    assert going(plan_blocks(found, names=["b.0"])) == ["b.0"]
    assert going(plan_blocks(found, names=["b"])) == ["b.0", "b.1", "b.2"]


def test_what_turns_out_unneeded_stays() -> None:
    """Of small cheap ones and a big one that alone is enough, the big one alone goes."""
    blocks = (BlockCost("small", 10, 1, 0.1), BlockCost("big", 50, 1, 0.9))
    assert going(plan_blocks(BlockEvidence(blocks, 100), macs=0.5)) == ["big"]


def test_of_blocks_that_overlap_one_goes() -> None:
    blocks = (
        BlockCost("outer", 20, 9, 0.2, overlaps=(1,)),
        BlockCost("inner", 10, 4, 0.1, overlaps=(0,)),
        BlockCost("other", 10, 4, 0.4),
    )
    found = BlockEvidence(blocks, 100)
    assert going(plan_blocks(found, count=2)) == ["inner", "other"]
    with pytest.raises(UsageError, match=r"inner and outer overlap|outer and inner overlap"):
        plan_blocks(found, names=["outer", "inner"])


@given(
    costs=st.lists(
        st.tuples(st.integers(1, 50), st.floats(0, 10)), min_size=1, max_size=7
    ),
    share=st.floats(0.05, 1),
)  # fmt: skip
def test_a_target_is_met_without_any_block_too_many(
    costs: list[tuple[int, float]], share: float
) -> None:
    total = 10 + sum(macs for macs, _ in costs)
    blocks = tuple(BlockCost(f"b.{n}", macs, 1, d) for n, (macs, d) in enumerate(costs))
    least = 10 / total
    if share < least:
        with pytest.raises(UsageError, match=f"{least:.4f} are left"):
            plan_blocks(BlockEvidence(blocks, total), macs=share)
        return
    chosen = [p for p in plan_blocks(BlockEvidence(blocks, total), macs=share) if p.removed]
    excess = total * (1 - share) - 1e-9 * total
    saved = sum(one.macs for one in chosen)
    assert saved >= excess
    assert all(saved - one.macs < total * (1 - share) for one in chosen)


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({}, "exactly one of count, macs, names"),
        ({"count": 1, "macs": 0.5}, "exactly one"),
        ({"count": 4}, "count must be 0 to 3 for this model, found 4"),
        ({"count": -1}, "0 to 3"),
        ({"macs": 0.0}, "above 0"),
        ({"macs": float("nan")}, "above 0"),
        ({"macs": 0.5}, r"0\.5 of the MACs can't be reached; .* 0\.7000 are left"),
        ({"count": 1, "keep": ["c.*"]}, "matches no"),
        ({"names": ["b.9"]}, "nearest names are b"),
    ],
)
def test_bad_targets_are_refused(asked: dict, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan_blocks(evidence(0.3, 0.1, 0.2), **asked)


@pytest.mark.parametrize("missing", [None, float("nan"), float("inf")])
def test_nothing_is_decided_without_a_number(missing: float | None) -> None:
    with pytest.raises(UsageError, match=r"b\.1 has no finite divergence"):
        plan_blocks(evidence(0.3, missing), count=1)
    assert going(plan_blocks(evidence(0.3, missing), names=["b.1"])) == ["b.1"]


class Residual(nn.Module):
    """Four residual layers of growing effect."""

    def __init__(self) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(6, 6) for _ in range(4))
        self.head = nn.Linear(6, 3)

    def forward(self, x: Tensor) -> Tensor:
        for layer, effect in zip(self.layers, (0.3, 0.01, 1.0, 0.1), strict=True):
            x = x + effect * torch.tanh(layer(x))
        return self.head(x)


@pytest.fixture
def graph() -> Graph:
    torch.manual_seed(0)
    return trace(Residual(), (torch.zeros(1, 6),))


def data(*shapes: tuple[int, ...]) -> CalibrationData:
    generator = torch.Generator().manual_seed(0)
    return CalibrationData(
        tuple(((torch.randn(shape, generator=generator),), None) for shape in shapes)
    )


def test_divergences_follow_the_effects(graph: Graph) -> None:
    found = measure_blocks(graph, data((32, 6), (7, 6)))
    ranked = sorted(found.blocks, key=lambda block: block.divergence or 0)
    assert [block.name for block in ranked] == [f"layers.{n}" for n in (1, 3, 0, 2)]
    assert found.macs == 4 * 36 + 18
    assert going(plan_blocks(found, macs=0.6)) == ["layers.1", "layers.3"]


def test_the_subset_of_least_sum_is_found_when_all_cost_the_same() -> None:
    divergences = (0.5, 0.2, 0.9, 0.4)
    found = going(plan_blocks(evidence(*divergences), count=2))
    best = min(
        itertools.combinations(range(4), 2), key=lambda pair: sum(divergences[n] for n in pair)
    )
    assert found == [f"b.{n}" for n in best]
