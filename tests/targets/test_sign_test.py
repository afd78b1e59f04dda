"""How many processes must agree, and what is asked for on the command line."""

import pytest

from targets.errors import UsageError
from targets.measurement import TimingRule
from targets.sign_test import asked_rule, needed, resolution, tail


@pytest.mark.parametrize(
    ("processes", "level", "least"),
    [(5, 1 / 32, 5), (23, 0.00625, 18), (20, 1 / 32, 15), (3, 1 / 32, 3), (1, 1 / 32, 1)],
)
def test_so_many_must_be_within(processes: int, level: float, least: int) -> None:
    assert needed(processes, level) == least


def test_a_tail_is_exact() -> None:
    assert tail(5, 5) == 1 / 32
    assert tail(14, 18) == pytest.approx((3060 + 816 + 153 + 18 + 1) / 2**18)
    assert tail(0, 4, 0.3) == pytest.approx(1.0)


def test_the_default_rule_is_that_of_95_percent() -> None:
    assert asked_rule() == TimingRule() == asked_rule(confidence=0.95)


@pytest.mark.parametrize("confidence", [0.5, 0.8, 0.9, 0.95, 0.99, 0.999, 0.9999])
def test_two_sittings_keep_the_confidence(confidence: float) -> None:
    rule = asked_rule(confidence=confidence)
    first = tail(needed(rule.processes, rule.level), rule.processes)
    second = tail(needed(rule.retry_processes, rule.retry_level), rule.retry_processes)
    assert first + (1 - 2 * first) * second <= 1 - confidence + 1e-9


@pytest.mark.parametrize("confidence", [0.5, 0.9, 0.95, 0.975, 0.99, 0.9999])
def test_rounds_of_energy_keep_the_level_of_their_sitting(confidence: float) -> None:
    rule = asked_rule(confidence=confidence).metering()
    for one in (rule, rule.retried()):
        assert tail(one.energy_rounds, one.energy_rounds) <= one.level + 1e-9
    assert asked_rule().metering().energy_rounds == 5
    assert asked_rule().retried().energy_rounds == 0


def test_what_is_asked_for_is_taken() -> None:
    rule = asked_rule(processes=30, samples=250)
    assert (rule.processes, rule.memory_processes, rule.retry_processes) == (30, 30, 30)
    assert (rule.min_samples, rule.covering(0.99).min_samples) == (250, 300)
    assert asked_rule(confidence=0.99).processes == 8


@pytest.mark.parametrize(
    ("asked", "told"),
    [
        ({"processes": 4}, "4 processes can't decide with 0.95 .*at least 5"),
        ({"processes": 5, "confidence": 0.99}, "at least 8"),
        ({"processes": 0}, "at least 5"),
        ({"samples": 0}, "0 samples per process: ask for at least 1"),
        ({"confidence": 1.0}, "confidence is 1; allowed: from 0.5 to 0.9999"),
        ({"confidence": float("nan")}, "confidence is nan"),
    ],
)
def test_what_can_not_be_asked_for(asked: dict[str, float], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        asked_rule(**asked)


def test_more_processes_see_less_of_a_distance() -> None:
    scatter = [1.0, 1.05, 0.95, 1.02, 0.98]
    few, many = resolution(scatter, 1.0, 1 / 32), resolution(scatter * 4, 1.0, 1 / 32)
    assert few is not None
    assert many is not None
    assert many < 0.6 * few
    assert resolution([1.0], 1.0, 1 / 32) is None
