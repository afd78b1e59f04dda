"""The ratio search: pure, so it is tested against made-up cost curves."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search import RATIOS, Tried, best, escalate, next_ratio


def search(excess_of):
    tried = []
    while (ratio := next_ratio(tried)) is not None:
        assert ratio not in [one.ratio for one in tried], "a ratio is measured once"
        tried.append(Tried(ratio, excess_of(ratio), "latency_ms.p95"))
    return tried


@given(st.integers(0, len(RATIOS) - 1))
def test_finds_the_least_ratio_that_meets_a_falling_cost(first_that_meets):
    edge = RATIOS[first_that_meets]
    tried = search(lambda ratio: 0.9 if ratio >= edge else 1.2)
    assert best(tried).ratio == edge
    assert len(tried) <= 1 + 3, "bisection over seven ratios after the unpruned one"


def test_an_unpruned_candidate_that_meets_ends_the_search():
    assert [one.ratio for one in search(lambda ratio: 0.5)] == [0.0]


def test_where_nothing_meets_the_nearest_is_kept():
    tried = search(lambda ratio: 3.0 - ratio)
    assert best(tried).ratio == RATIOS[-1]
    assert not best(tried).meets


@given(st.lists(st.floats(0.1, 3.0), min_size=len(RATIOS), max_size=len(RATIOS)))
def test_noise_can_not_make_it_run_on(excesses):
    tried = search(dict(zip(RATIOS, excesses, strict=True)).__getitem__)
    assert 1 <= len(tried) <= 5


@pytest.mark.parametrize(("ratio", "larger"), [(0.0, 0.125), (0.5, 0.625), (0.875, None)])
def test_escalation_takes_the_next_ratio_of_the_grid(ratio, larger):
    assert escalate(ratio) == larger
