"""Which rung comes next: pure figures."""

from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.ladder import (
    RANGES,
    Method,
    Outcome,
    Priced,
    Rung,
    best,
    by_worth,
    missed,
    next_rung,
)
from targets.budget import Line


def climb(drops, first="least-squares", most=0.01, over=None):
    """The rungs that are tried where the i-th loses drops[i]; None means no artifact. Of those in
    `over` the cost is so large a share of its limit."""
    outcomes = []
    for drop in drops:
        rung = next_rung(outcomes, first)
        if rung is None:
            break
        short = None if drop is None else drop - most
        share = (over or {}).get(rung.name)
        beyond = (late(share),) if share else ()
        outcomes.append(Outcome(rung, drop=drop, shortfall=short, missed=beyond))
    return outcomes


def late(share, status="FAIL", limit="latency_ms.p95"):
    return Line(limit, 1.0, share, share, status, "", "1")


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


def test_regions_that_cost_too_much_do_not_end_it():
    """The first regions in float hold the metric and not the cost: more of them cost more, and
    what is trained is int8 throughout."""
    drops = [0.5] * 6 + [0.0, 0.005]
    tried = climb(drops, over={"float-1": 1.2})
    assert names(tried)[-2:] == ["float-1", "qat"]
    assert best(tried).rung.name == "qat"
    assert next_rung(tried, "least-squares") is None


def test_what_costs_too_much_is_kept_where_nothing_else_holds_the_metric():
    tried = climb([0.5] * 6 + [0.0, 0.3], over={"float-1": 1.2})
    assert best(tried).rung.name == "float-1"


def test_int8_throughout_is_not_tried_again_for_its_cost():
    assert names(climb([0.5, 0.0, 0.0], over={"percentile": 1.2})) == [
        "least-squares",
        "percentile",
    ]


def test_a_sitting_that_was_not_beyond_the_limit_throughout_misses_nothing():
    lines = [late(1.1, "INCONCLUSIVE"), late(1.1, "INVALID"), late(1.1, limit="metric.max_drop")]
    assert missed(lines) == ()
    assert missed([*lines, late(1.1)]) == (late(1.1),)


def outcome(name, shortfall, *beyond):
    return Outcome(Rung(name, "regions", Method("min-max")), shortfall=shortfall, missed=beyond)


def test_the_best_holds_the_metric_then_the_cost_then_loses_least():
    holds = outcome("holds", -0.001)
    late_, later = outcome("late", -0.002, late(1.1)), outcome("later", -0.01, late(2.0))
    lossy, lossy_late = outcome("lossy", 0.2), outcome("lossy and late", 0.1, late(1.1))
    for made in (
        [lossy_late, lossy, later, late_, holds],
        [holds, late_, later, lossy, lossy_late],
    ):
        assert best(made) is holds
        assert best([one for one in made if one is not holds]) is late_
        assert best([lossy_late, lossy]) is lossy


def test_the_next_is_made_from_the_best_metric_whatever_it_cost():
    tried = climb([0.5, 0.2, 0.4, 0.4, 0.5], over={"percentile": 1.01})
    assert tried[4].rung.method.range == "percentile"


def test_regions_go_by_what_they_regain_per_millisecond():
    regions = [
        Priced("dear", ("a",), 6.0, 0.3),
        Priced("faster", ("b",), 1.0, -0.1),
        Priced("cheap", ("c",), 3.0, 0.1),
        Priced("useless", ("d",), -0.5, 0.0),
    ]
    assert [one.name for one in by_worth(regions, 0.01)] == ["faster", "cheap", "dear"]
