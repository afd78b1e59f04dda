"""Which rung comes next: pure figures."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ladder import (
    KINDS,
    RANGES,
    Method,
    Outcome,
    Priced,
    best,
    by_worth,
    next_rung,
    shortfall,
)


def climb(drops, kinds=KINDS, first="least-squares", most=0.01):
    """The rungs that are tried where the i-th loses drops[i]; None means no artifact."""
    outcomes = []
    for drop in drops:
        rung = next_rung(outcomes, first, kinds)
        if rung is None:
            break
        short = None if drop is None else drop - most
        outcomes.append(Outcome(rung, drop=drop, shortfall=short))
    return outcomes


def names(outcomes):
    return [one.rung.name for one in outcomes]


def test_all_rungs_in_order_where_none_holds():
    assert names(climb([0.5] * 20)) == [
        "least-squares", "percentile", "entropy", "min-max", "equalized", "rounded",
        "float-1", "float-2", "float-4", "qat",
    ]  # fmt: skip


def test_the_first_that_holds_ends_it():
    assert names(climb([0.5, 0.2, 0.01, 0.0])) == ["least-squares", "percentile", "entropy"]
    assert names(climb([0.0] * 3, first="min-max")) == ["min-max"]


def test_a_rung_starts_from_the_best_before_it():
    drops = [0.5, 0.3, 0.1, 0.4, 0.2, 0.25, 0.2]
    tried = climb(drops)
    assert tried[4].rung.method == Method("entropy", equalized=True)
    assert tried[5].rung.method == Method("entropy", equalized=True, rounded=True)
    assert tried[6].rung.method == Method("entropy")  # the best plan so far: 0.1


def test_what_a_task_can_not_do_is_left_out():
    assert "qat" not in names(climb([0.5] * 20, kinds=KINDS[:-1]))


def test_rungs_without_an_artifact_are_passed_over():
    tried = climb([None] * 20)
    assert names(tried)[:5] == [*RANGES, "equalized"]
    assert best(tried) is None
    assert names(tried)[-1] == "qat"  # there is no plan whose regions could stay float
    assert "float-1" not in names(tried)


@settings(deadline=None)
@given(st.lists(st.one_of(st.none(), st.floats(0, 1)), min_size=1, max_size=12))
def test_the_best_so_far_is_kept_and_no_rung_is_tried_twice(drops):
    tried = climb(drops)
    assert len(set(names(tried))) == len(tried)
    kept = best(tried)
    made = [one.drop for one in tried if one.drop is not None]
    assert (kept.drop if kept else None) == min(made, default=None)


def test_the_worse_of_two_limits_counts():
    assert shortfall([(0.02, 0.01), (0.0, 0.05)]) == 0.01
    assert shortfall([(0.02, None), (None, 0.05)]) == -float("inf")


def test_regions_go_by_what_they_regain_per_millisecond():
    regions = [
        Priced("dear", ("a",), 6.0, 0.3),
        Priced("faster", ("b",), 1.0, -0.1),
        Priced("cheap", ("c",), 3.0, 0.1),
        Priced("useless", ("d",), -0.5, 0.0),
    ]
    assert [one.name for one in by_worth(regions, 0.01)] == ["faster", "cheap", "dear"]
