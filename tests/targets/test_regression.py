"""The regression gate's rule: what is read, how sessions are judged, and when there is a second."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from targets.artifact import Artifact
from targets.budget import Observation
from targets.device import DeviceProfile
from targets.energy import EnergyRound
from targets.errors import RecipeError
from targets.measurement import MemoryPhases, ProcessSamples, TimingRule
from targets.regression import (
    BASELINE,
    NEW,
    RETRY_ROUNDS,
    allowed_from_text,
    hold,
    judge,
    rule_of,
    settled,
    undecided,
    unmeasured,
)
from targets.sign_test import asked_rule
from targets.trial import Seat

P50 = "latency_ms.p50"
ALLOWED = {P50: 0.05}
RULE = TimingRule(cool_down_s=0.0)
OLD = Artifact(Path("old.onnx"), "onnx", "a" * 64, 100_000, (), ())
FRESH = Artifact(Path("new.onnx"), "onnx", "b" * 64, 120_000, (), ())
SECOND = 1_000_000_000
STEADY = ProcessSamples((1_000_000,) * 100, 5, 5, 100, 100, 30)


def at(ms: float, drift: float = 0.0) -> ProcessSamples:
    """100 samples, the last third slower by `drift`."""
    ns = int(ms * 1e6)
    return replace(STEADY, latency_ns=(ns,) * 66 + (int(ns * (1 + drift)),) * 34)


@dataclass
class Scripted:
    """A target whose processes are written down, in order, the last one repeated."""

    script: list[ProcessSamples]
    turns: list[str]
    peak: int = 3_000_000
    runtime: str = "onnxruntime"
    provenance: str = "measured-on-device"
    device: DeviceProfile = field(
        default_factory=lambda: DeviceProfile(name="scripted", runtimes=("onnxruntime",))
    )

    def sample(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> ProcessSamples:
        self.turns.append(artifact.path.stem)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def energy(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> EnergyRound:
        self.turns.append("energy")
        watts = 3.0 + 0.2 * (self.turns.count("energy") % 3)
        idle, load = (
            tuple((i * SECOND, w + 0.001 * (i % 2)) for i in range(9)) for w in (2, watts)
        )
        return EnergyRound("meter", "W", idle, load, idle, 1000)

    def memory(self, artifact: Artifact, seed: int = 0) -> MemoryPhases:
        self.turns.append("memory")
        return MemoryPhases(0, 20, 30, self.peak)


def held(old, new, allowed=ALLOWED, peak=3_000_000, rule=RULE):
    turns: list[str] = []
    seats = {
        BASELINE: Seat(Scripted(old, turns), OLD),
        NEW: Seat(Scripted(new, turns, peak), FRESH),
    }
    return hold(seats, allowed, rule), turns


def scattered(count: int, middle: float, by: float) -> list[ProcessSamples]:
    return [at(middle + by * (1 if i % 2 else -1) * (1 + i / 50)) for i in range(count)]


def test_a_fifth_slower_is_a_regression_in_one_session_of_turns() -> None:
    found, turns = held([at(1)], [at(1.2)])
    (line,) = found.verdict.lines
    assert (found.verdict.status, line.limit, line.budget) == ("FAIL", "regression." + P50, 1.05)
    assert line.observed == line.bound == pytest.approx(1.2)
    assert line.stated == "+5% of the baseline"
    assert turns == ["old", "new", "new", "old"] * 4
    assert found.ratios[P50].high == pytest.approx(1.2)


@pytest.mark.parametrize("ms", [0.5, 1.0, 1.04])
def test_what_is_within_is_passed_at_once(ms: float) -> None:
    found, turns = held([at(1)], [at(ms)])
    assert (found.verdict.status, len(turns)) == ("PASS", 16)


def test_exactly_what_is_allowed_is_no_regression() -> None:
    assert held([at(1)], [at(1.05)])[0].verdict.status == "PASS"


def test_an_open_session_is_followed_by_one_more_that_is_judged_alone() -> None:
    found, turns = held([at(1)], [*scattered(8, 1.05, 0.1), at(1.2)])
    assert [one.verdict.status for one in found.attempts] == ["INCONCLUSIVE", "FAIL"]
    assert len(turns) == 2 * (8 + RETRY_ROUNDS)
    assert found.verdict.lines[0].observed == pytest.approx(1.2)


def test_what_stays_open_is_no_regression_and_says_what_is_not_excluded() -> None:
    found, _ = held([at(1)], scattered(8 + RETRY_ROUNDS, 1.0, 0.15))
    assert [one.verdict.status for one in found.attempts] == ["INCONCLUSIVE"] * 2
    assert found.verdict.status == "PASS"
    assert "is not excluded" in found.verdict.lines[0].reason


def test_a_machine_that_drifts_is_invalid_after_all_attempts() -> None:
    found, turns = held([at(1)], [at(2, drift=0.3)])
    assert (found.verdict.status, len(turns)) == ("INVALID", 16 * RULE.attempts)
    assert "new: latency drifts" in found.verdict.lines[0].reason


def test_a_slow_spell_of_the_machine_is_none_of_the_model() -> None:
    slow = [at(1), at(1), at(3), at(3)]
    assert held([*slow, at(1)], [*slow, at(1)])[0].verdict.status == "PASS"


def test_memory_is_measured_only_where_it_is_compared() -> None:
    assert "memory" not in held([at(1)], [at(1)])[1]
    found, turns = held([at(1)], [at(1)], {"peak_memory_mb": 0.1}, peak=4_000_000)
    assert (found.verdict.status, turns.count("memory")) == ("FAIL", 16)
    assert found.verdict.lines[0].observed == pytest.approx(4 / 3)


@pytest.mark.parametrize(
    ("confidence", "rounds"), [(0.95, (6, 8)), (0.975, (6, 9)), (0.99, (8, 10))]
)
def test_an_open_session_of_energy_is_followed_by_one_of_enough_rounds(
    confidence: float, rounds: tuple[int, int]
) -> None:
    rule = replace(asked_rule(confidence=confidence), cool_down_s=0.0)
    found, turns = held([at(1)], [at(1)], {"energy_mj": 0.01}, rule=rule)
    assert [one.verdict.status for one in found.attempts] == ["INCONCLUSIVE"] * 2
    assert turns.count("energy") == 2 * sum(rounds)


def test_a_size_is_a_fact_and_needs_no_interval() -> None:
    found, _ = held([at(1)], [at(1)], {"size_kb": 0.1})
    (line,) = found.verdict.lines
    assert (line.status, line.reason) == ("FAIL", "1.2 times the baseline")
    assert held([at(1)], [at(1)], {"size_kb": 0.2})[0].verdict.status == "PASS"


def test_the_worst_quantity_decides() -> None:
    found, _ = held([at(1)], [at(1)], {P50: 0.05, "size_kb": 0.1})
    assert [line.status for line in found.verdict.lines] == ["PASS", "FAIL"]
    assert found.verdict.status == "FAIL"


def test_without_a_device_only_sizes_are_compared() -> None:
    found = unmeasured({BASELINE: OLD, NEW: FRESH}, {P50: 0.05, "size_kb": 0.5})
    assert [line.status for line in found.verdict.lines] == ["UNVERIFIED", "PASS"]
    assert found.verdict.status == "UNVERIFIED"


def test_without_the_baseline_nothing_is_decided() -> None:
    verdict = undecided(ALLOWED, "it is gone")
    assert (verdict.status, verdict.lines[0].reason) == ("INCONCLUSIVE", "it is gone")
    assert verdict.lines[0].observed is None


@pytest.mark.parametrize("peak", [0, -5])
def test_a_reading_that_has_no_ratio_is_not_judged(peak: int) -> None:
    found, _ = held([at(1)], [at(1)], {"peak_memory_mb": 0.1}, peak=peak)
    assert found.verdict.status == "UNVERIFIED"


def test_readings_that_make_no_pairs_are_not_judged() -> None:
    old, new = (Observation(tuple((1.0,) for _ in range(count))) for count in (8, 7))
    verdict, ratios = judge({P50: old}, {P50: new}, ALLOWED, 0.05)
    assert (verdict.status, ratios) == ("UNVERIFIED", {})


def test_a_tail_takes_the_samples_that_it_needs() -> None:
    assert rule_of(RULE, {"latency_ms.p99": 0.1}).min_samples == 300
    assert rule_of(RULE, ALLOWED).memory_processes == 0
    assert rule_of(RULE, {"energy_mj": 0.1}).energy_rounds == 6
    assert rule_of(replace(RULE, processes=12), ALLOWED).processes == 12


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("latency_ms.p50=5%", (P50, 0.05)),
        (" latency_ms.p95 = +12.5 % ", ("latency_ms.p95", 0.125)),
        ("size_kb=0%", ("size_kb", 0.0)),
    ],
)
def test_an_increase_is_read(text: str, found: tuple[str, float]) -> None:
    assert allowed_from_text(text) == pytest.approx(found)


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("latency_ms.p50", "has no value"),
        ("latency_ms.p50=5", "in percent"),
        ("latency_ms.p50=-5%", "in percent"),
        ("latency_ms.p50=nan%", "in percent"),
        ("latency_ms.p51=5%", "did you mean"),
        ("metric.max_drop=5%", "no sitting measures it"),
    ],
)
def test_what_is_no_increase_is_refused_with_what_is_allowed(text: str, told: str) -> None:
    with pytest.raises(RecipeError, match=told):
        allowed_from_text(text)


@given(
    st.lists(st.floats(0.5, 2), min_size=8, max_size=8),
    st.floats(1.0, 3.0),
    st.floats(0.0, 1.0),
)
def test_a_slower_model_is_never_better_judged(times: list[float], by: float, most: float) -> None:
    """Every process slower by a factor: the status can only get worse."""
    order = ("PASS", "INCONCLUSIVE", "FAIL")
    old = {P50: Observation(tuple((1.0,) for _ in times))}
    found = [
        judge(old, {P50: Observation(tuple((one * each,) for one in times))}, {P50: most}, 0.03125)
        for each in (1.0, by)
    ]
    before, after = (order.index(verdict.status) for verdict, _ in found)
    assert before <= after
    assert settled(found[0][0]).status in ("PASS", "FAIL")
