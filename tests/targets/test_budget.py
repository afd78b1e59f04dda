"""Limits are read strictly, made absolute, and judged by the number of processes within them."""

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.budget import (
    AbsoluteBudget,
    AbsoluteLimit,
    Budget,
    Observation,
    Status,
    judge,
    worst,
)
from targets.errors import RecipeError, UsageError
from targets.limit import LIMITS, Relative, limit_from_text, parse_limit
from targets.measurement import TimingRule

positive = st.floats(min_value=1e-6, max_value=1e6)


def one_limit(budget: float | None, limit: str = "latency_ms.p95") -> AbsoluteBudget:
    return AbsoluteBudget((AbsoluteLimit(limit, budget, str(budget)),))


def judged(budget: float | None, observation: Observation | None) -> Status:
    observations = {"latency_ms.p95": observation} if observation else {}
    return judge(one_limit(budget), observations).status


def per_process(*values: float, **others: object) -> Observation:
    return Observation(samples=tuple((value,) for value in values), quantile=0.95, **others)


@pytest.mark.parametrize("value", [0, -1, math.nan, math.inf, True, "fast", "-3% of dense", [], {}])
def test_a_limit_that_is_none_says_what_is_allowed(value: object) -> None:
    with pytest.raises(ValueError, match="allowed: a number above 0 or 'NN% of dense'"):
        parse_limit(value)


@given(positive)
def test_a_relative_limit_survives_being_written(percent: float) -> None:
    limit = Relative(percent)
    again = parse_limit(str(limit))
    assert isinstance(again, Relative)
    assert again.percent == pytest.approx(percent, rel=1e-5)  # %g keeps six digits


def test_a_budget_is_read_written_and_read_again() -> None:
    document = {
        "latency_ms": {"p95": "40% of dense", "p50": 3},
        "size_kb": 60,
        "metric": {"name": "accuracy", "max_drop": 0.01},
    }
    budget = Budget.model_validate(document)
    assert list(budget.limits()) == [
        "latency_ms.p50",
        "latency_ms.p95",
        "size_kb",
        "metric.max_drop",
    ]
    assert Budget.model_validate(budget.model_dump(mode="json")) == budget
    assert Budget.model_validate_json(budget.model_dump_json()) == budget


def test_relative_limits_become_absolute_and_stay_stated() -> None:
    budget = Budget.model_validate({"latency_ms": {"p95": "40% of dense"}, "size_kb": 60})
    absolute = budget.against({"latency_ms.p95": 2.0})
    assert absolute.limits[0] == AbsoluteLimit("latency_ms.p95", 0.8, "40% of dense", (2.0,))
    assert absolute.limits[1] == AbsoluteLimit("size_kb", 60.0, "60")


def test_a_relative_limit_without_a_baseline_is_unverified() -> None:
    budget = Budget.model_validate({"peak_memory_mb": "130% of dense"}).against({})
    verdict = judge(budget, {"peak_memory_mb": per_process(3.0)})
    assert verdict.status == "UNVERIFIED"
    assert "dense" in verdict.lines[0].reason


@given(st.lists(positive, min_size=2, max_size=6), positive)
def test_unanimity(values: list[float], budget: float) -> None:
    status = judged(budget, per_process(*values))
    over = [value > budget * (1 + 1e-9) for value in values]
    expected = "PASS" if not any(over) else "FAIL" if all(over) else "INCONCLUSIVE"
    assert status == expected


@given(st.lists(positive, min_size=23, max_size=23), positive)
def test_of_many_processes_some_may_miss(values: list[float], budget: float) -> None:
    seen = {"latency_ms.p95": per_process(*values)}
    line = judge(one_limit(budget), seen, TimingRule.retry_level).lines[0]
    within = sum(value <= budget * (1 + 1e-9) for value in values)
    expected = "PASS" if within >= 18 else "FAIL" if within <= 5 else "INCONCLUSIVE"
    assert line.status == expected
    assert line.bound == sorted(values)[17]
    assert (line.bound <= budget * (1 + 1e-9)) == (line.status == "PASS")


def test_a_line_tells_what_so_many_samples_see() -> None:
    line = judge(one_limit(2.0), {"latency_ms.p95": per_process(1.0, 1.1, 0.9, 1.0, 1.0)}).lines[0]
    # 5 of 5 within in four of five sittings: each in 95.6 % of them, 1.71 deviations of 0.0707.
    assert line.resolution == pytest.approx(1.711 * 0.0707 / 2, rel=1e-3)
    assert line.reason.endswith("so many see a distance of 6.0%, 4 times in 5")
    assert (
        judge(one_limit(2.0), {"latency_ms.p95": Observation(value=1.0)}).lines[0].resolution
        is None
    )


def test_the_line_tells_the_median_and_the_largest() -> None:
    line = judge(one_limit(5.0), {"latency_ms.p95": per_process(1.0, 4.0, 2.0)}).lines[0]
    assert (line.observed, line.bound, line.status) == (2.0, 4.0, "PASS")


@pytest.mark.parametrize(
    ("observation", "status"),
    [
        (None, "UNVERIFIED"),
        (Observation(missing_reason="no meter"), "UNVERIFIED"),
        (Observation(), "UNVERIFIED"),
        (per_process(1.0, provenance="emulated"), "UNVERIFIED"),
        (per_process(9.0, provenance="modelled"), "UNVERIFIED"),
        (per_process(1.0, invalid_reason="drifts"), "INVALID"),
        (Observation(value=math.nan), "INVALID"),
    ],
)
def test_what_can_not_be_judged(observation: Observation | None, status: Status) -> None:
    assert judged(2.0, observation) == status


def test_a_drop_of_exactly_the_limit_passes() -> None:
    drop = 0.984 - 0.974  # 0.010000000000000009
    assert judged(0.01, Observation(value=drop)) == "PASS"
    assert judged(0.01, Observation(value=0.0102)) == "FAIL"


def test_an_improvement_passes() -> None:
    assert judged(0.01, Observation(value=-0.02)) == "PASS"


def test_the_worst_line_is_the_verdict() -> None:
    order: list[Status] = ["PASS", "INCONCLUSIVE", "UNVERIFIED", "INVALID", "FAIL"]
    for i, status in enumerate(order):
        assert worst(order[: i + 1]) == status


def test_judging_without_a_limit_is_a_usage_error() -> None:
    with pytest.raises(UsageError, match="no limit"):
        judge(Budget().against({}), {})


def test_limits_from_the_command_line() -> None:
    assert limit_from_text("latency_ms.p95=8") == ("latency_ms.p95", 8.0)
    assert limit_from_text("size_kb = 1e3") == ("size_kb", 1000.0)
    merged = Budget().with_limits({"latency_ms.p95": 8.0, "size_kb": 2.0})
    assert merged.limits() == {"latency_ms.p95": 8.0, "size_kb": 2.0}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("latency_ms.p96=8", "did you mean 'latency_ms.p9"),
        ("latency_ms.p95", "has no value"),
        ("size_kb=-1", "allowed: a number above 0"),
        ("size_kb=nan", "allowed: a number above 0"),
        ("metric.max_drop=1", "belongs in a recipe"),
    ],
)
def test_a_wrong_limit_is_told(text: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        limit_from_text(text)


def test_every_limit_can_be_set() -> None:
    plain = {name: 1.0 for name in LIMITS if not name.startswith("metric")}
    assert Budget().with_limits(plain).limits() == plain
