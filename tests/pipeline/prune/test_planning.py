"""Deciding is pure: numbers in, channels out."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.census import Census, Rows
from pipeline.prune.decision import decide
from pipeline.prune.importance import Evidence, GroupEvidence
from pipeline.prune.settings import Settings
from pipeline.prune.widths import kept_width
from targets.errors import UsageError


def chain(*widths: int) -> Evidence:
    """Layers in a row: MACs are the products of neighbouring widths."""
    channels = sum(widths)
    axis = np.repeat(np.arange(len(widths)), widths)
    rows = Rows(axis, np.ones(channels, np.int64), np.arange(channels), np.arange(channels))
    macs = tuple((1, (left, left + 1)) for left in range(len(widths) - 1))
    census = Census(channels, np.zeros(len(widths), np.int64), rows, macs, 1, ())
    groups = tuple(
        GroupEvidence(f"g{number}", tuple(float((7 * i) % width) for i in range(width)))
        for number, width in enumerate(widths)
    )
    return Evidence(groups, census)


sizes = st.integers(1, 300)
ratios = st.floats(0, 0.999)
multiples = st.sampled_from([1, 2, 4, 8, 16, 32])


@given(sizes, ratios, multiples)
def test_a_kept_width_is_in_range_and_on_the_grid(size: int, ratio: float, multiple: int) -> None:
    kept = kept_width(size, ratio, multiple)
    assert min(size, 2) <= kept <= size
    if size > multiple and kept < size:
        assert kept % multiple == 0


@given(sizes, ratios, ratios, multiples)
def test_a_larger_ratio_never_keeps_more(size: int, a: float, b: float, multiple: int) -> None:
    low, high = sorted((a, b))
    assert kept_width(size, low, multiple) >= kept_width(size, high, multiple)


@given(st.integers(5, 300), ratios)
def test_without_a_grid_the_width_is_the_nearest(size: int, ratio: float) -> None:
    kept = kept_width(size, ratio, 1)
    assert abs(kept - size * (1 - ratio)) <= 0.5 or kept == 2


@pytest.mark.parametrize(
    ("size", "ratio", "multiple", "kept"),
    [(16, 0.5, 8, 8), (12, 0.5, 8, 8), (8, 0.5, 8, 4), (20, 0.05, 8, 20), (64, 0.0, 8, 64),
     (64, 0.99, 8, 8), (24, 0.5, 16, 16), (10, 0.5, 1, 5), (5, 0.5, 1, 3)],
)  # fmt: skip
def test_widths_by_example(size: int, ratio: float, multiple: int, kept: int) -> None:
    assert kept_width(size, ratio, multiple) == kept


def test_the_least_important_go_and_ties_go_by_index() -> None:
    evidence = chain(8)
    tied = Evidence((GroupEvidence("g", (2.0, 1, 1, 3, 1, 2, 2, 3)),), evidence.census)
    assert decide(tied, Settings(ratio=0.5)).removed == ((0, 1, 2, 4),)


def test_narrow_groups_are_left_alone_and_say_so() -> None:
    decision = decide(chain(4, 8), Settings(ratio=0.5))
    assert decision.removed[0] == ()
    assert decision.reasons == ("no more than 4 channels", None)


def test_of_groups_that_multiply_only_the_widest_is_pruned() -> None:
    plain = chain(8, 16, 8)
    partners = ((1,), (0, 2), (1,))
    groups = tuple(
        GroupEvidence(group.name, group.scores, with_)
        for group, with_ in zip(plain.groups, partners, strict=True)
    )
    decision = decide(Evidence(groups, plain.census), Settings(ratio=0.5))
    assert [len(removed) for removed in decision.removed] == [0, 8, 0]
    assert decision.reasons[0] == "multiplies with g1, which is pruned instead"


@given(st.lists(st.integers(5, 40), min_size=2, max_size=6), st.floats(0.3, 1))
def test_a_macs_target_is_met_as_closely_as_widths_allow(widths: list[int], share: float) -> None:
    evidence = chain(*widths)
    dense = evidence.census.count_macs(evidence.census.everything())
    removed = decide(evidence, Settings(macs=share)).removed
    assert _macs(evidence, removed) <= share * dense
    # One channel more everywhere would be too much: no smaller ratio reaches the target.
    if any(removed):
        fewer = tuple(gone[1:] for gone in removed)
        assert _macs(evidence, fewer) > share * dense


def test_on_a_coarse_grid_only_as_many_groups_step_down_as_needed() -> None:
    """Four equal layers on a grid of 8: 24 of 32 everywhere keeps .56 of the MACs, and the next
    step of all would keep .25."""
    evidence = chain(32, 32, 32, 32)
    removed = decide(evidence, Settings(macs=0.5, multiple=8)).removed
    assert sorted({len(gone) for gone in removed}) == [8, 16]
    dense = evidence.census.count_macs(evidence.census.everything())
    assert 0.4 < _macs(evidence, removed) / dense <= 0.5


def _macs(evidence: Evidence, removed: tuple[tuple[int, ...], ...]) -> int:
    alive = evidence.census.everything()
    start = 0
    for group, gone in zip(evidence.groups, removed, strict=True):
        alive[[start + channel for channel in gone]] = False
        start += group.size
    return evidence.census.count_macs(alive)


def test_macs_out_of_reach_are_refused_with_what_is_possible() -> None:
    with pytest.raises(
        UsageError, match=r"0\.001 can't be reached; no plan leaves less than 0\.0625"
    ):
        decide(chain(8, 8), Settings(macs=0.001))


def test_a_choice_that_would_empty_a_dimension_is_spared() -> None:
    """Two groups, each at least half alive, whose product nobody survives."""
    rows = Rows(np.zeros(8, np.int64), np.ones(8, np.int64), np.arange(0, 16, 2),
                np.array([[i, 8 + 7 - i] for i in range(8)]).ravel())  # fmt: skip
    census = Census(16, np.zeros(1, np.int64), rows, (), 1, ())
    groups = (GroupEvidence("a", tuple(map(float, range(8)))),) * 2
    decision = decide(Evidence(groups, census), Settings(ratio=0.5))
    assert decision.removed == ((), ())
    assert decision.reasons[0] == "its choice would leave a dimension empty"
