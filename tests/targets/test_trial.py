"""Trials: turns, relative limits of the same sitting, and what is repeated."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from targets import trial
from targets.artifact import Artifact
from targets.budget import Budget, Observation
from targets.cooling import cool
from targets.device import DeviceProfile
from targets.energy import EnergyRound
from targets.errors import UsageError
from targets.measurement import MemoryPhases, ProcessSamples, TimingRule

RULE = TimingRule(cool_down_s=0.0)
DENSE = Artifact(Path("dense.onnx"), "onnx", "d" * 64, 400_000, (), ())
SMALL = Artifact(Path("small.onnx"), "onnx", "c" * 64, 100_000, (), ())
BUDGET = Budget.model_validate({"latency_ms": {"p95": "50% of dense"}, "size_kb": 150})
STEADY = ProcessSamples((1_000_000,) * 300, 5, 5, 100, 100, 30, {"cpu": "x", "load_average": "1"})


def at(ms: float, drift: float = 0.0) -> ProcessSamples:
    ns = int(ms * 1e6)
    latency = (ns,) * 100 + (int(ns * (1 + drift)),) * 200
    return replace(STEADY, latency_ns=latency)


@dataclass
class Scripted:
    """A target whose processes are written down: per artifact, in order, the last repeated."""

    times: dict[str, list[ProcessSamples]]
    runtime: str = "onnxruntime"
    provenance: str = "measured-on-device"
    device: DeviceProfile = field(
        default_factory=lambda: DeviceProfile(name="scripted", runtimes=("onnxruntime",))
    )
    turns: list[str] = field(default_factory=list)
    metered: EnergyRound = field(default_factory=lambda: EnergyRound(reason="no sensor"))

    def sample(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> ProcessSamples:
        self.turns.append(artifact.path.stem)
        script = self.times[artifact.path.stem]
        return script.pop(0) if len(script) > 1 else script[0]

    def memory(self, artifact: Artifact, seed: int = 0) -> MemoryPhases:
        return MemoryPhases(10, 20, 30, artifact.size_bytes)

    def energy(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> EnergyRound:
        return self.metered


def conduct(
    dense: list[ProcessSamples], small: list[ProcessSamples], budget: Budget = BUDGET
) -> tuple[trial.Trial, Scripted]:
    target = Scripted({"dense": dense, "small": small})
    return trial.conduct(target, DENSE, SMALL, budget, {}, rule=RULE), target


def told(found: trial.Trial) -> str:
    return found.verdict.lines[0].reason


def test_turns_alternate() -> None:
    _, target = conduct([at(1)], [at(0.4)])
    assert target.turns == ["dense", "small", "small", "dense"] * 2 + ["dense", "small"]


def test_a_limit_in_percent_is_of_the_dense_median_of_the_sitting() -> None:
    found, _ = conduct([at(k) for k in (1, 1.2, 2, 0.9, 1.1)], [at(0.4)])
    line = found.verdict.lines[0]
    assert line.budget == pytest.approx(0.55)
    assert (line.status, line.stated) == ("PASS", "50% of dense")
    assert found.verdict.status == "PASS"
    assert len(found.attempts) == 1


def test_a_process_is_judged_beside_its_dense_neighbour() -> None:
    slow_and_fast = [1, 1.5, 1.5, 1, 1]
    found, _ = conduct([at(k) for k in slow_and_fast], [at(0.48 * k) for k in slow_and_fast])
    line = found.verdict.lines[0]
    assert (line.status, line.budget) == ("PASS", 0.5)
    assert (line.observed, line.bound) == (pytest.approx(0.48), pytest.approx(0.48))
    found, _ = conduct([at(1), at(1), at(1), at(1), at(0.9)], [at(0.48)])
    line = found.attempts[0].verdict.lines[0]
    assert (line.status, line.bound) == ("INCONCLUSIVE", pytest.approx(0.48 / 0.9))


def test_size_and_memory_are_judged() -> None:
    budget = Budget.model_validate({"size_kb": "20% of dense", "peak_memory_mb": 1})
    found, _ = conduct([at(1)], [at(1)], budget)
    size = next(line for line in found.verdict.lines if line.limit == "size_kb")
    assert (size.budget, size.observed, size.status) == (80.0, 100.0, "FAIL")


def test_metrics_are_given() -> None:
    budget = Budget.model_validate({"metric": {"name": "accuracy", "max_drop": 0.01}})
    target = Scripted({"dense": [at(1)], "small": [at(1)]})
    facts = {"candidate": {"metric.max_drop": Observation(value=0.02)}}
    found = trial.conduct(target, DENSE, SMALL, budget, facts, rule=RULE)
    assert found.verdict.status == "FAIL"


def test_inconclusive_is_repeated_once_with_more_and_judged_alone() -> None:
    small = [at(0.6), *[at(0.4)] * 4, *[at(0.6)] * 5, *[at(0.4)] * 18]
    found, target = conduct([at(1)], small)
    assert [each.verdict.status for each in found.attempts] == ["INCONCLUSIVE", "PASS"]
    assert "18 of 23 processes are within the limit, 18 are needed" in told(found)
    assert target.turns.count("small") == 5 + 23
    assert len(found.candidate.processes) == 23
    assert len(found.candidate.memory) == 23


def test_twice_inconclusive_stays_so() -> None:
    small = [at(0.6), *[at(0.4)] * 4, *[at(0.6)] * 6, at(0.4)]
    found, _ = conduct([at(1)], small)
    assert [each.verdict.status for each in found.attempts] == ["INCONCLUSIVE"] * 2
    assert "17 of 23 processes are within the limit, 18 are needed" in told(found)


def test_a_fail_is_final() -> None:
    found, _ = conduct([at(1)], [at(0.6)])
    assert [each.verdict.status for each in found.attempts] == ["FAIL"]


def test_invalid_is_repeated_up_to_three_times_and_all_are_kept() -> None:
    found, _ = conduct([at(1)], [at(0.4, drift=0.2)])
    assert [each.verdict.status for each in found.attempts] == ["INVALID"] * 3
    found, _ = conduct([at(1)], [*[at(0.4, drift=0.2)] * 5, at(0.4)])
    assert [each.verdict.status for each in found.attempts] == ["INVALID", "PASS"]


def test_a_drifting_baseline_spoils_only_relative_limits() -> None:
    found, _ = conduct([at(1, drift=0.2)], [at(0.1)])
    assert found.verdict.status == "INVALID"
    assert "dense baseline" in found.verdict.lines[0].reason
    absolute = Budget.model_validate({"latency_ms": {"p95": 0.5}})
    assert conduct([at(1, drift=0.2)], [at(0.1)], absolute)[0].verdict.status == "PASS"


def test_an_unmeasurable_limit_does_not_hide_an_undecided_one() -> None:
    budget = Budget.model_validate({"latency_ms": {"p95": 0.5}, "energy_mj": 3})
    found, _ = conduct([at(1)], [at(0.6), at(0.4)], budget)
    assert [each.verdict.status for each in found.attempts] == ["UNVERIFIED"] * 2
    assert [line.status for line in found.verdict.lines] == ["PASS", "UNVERIFIED"]


def test_a_throttled_device_rests_until_it_is_not(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Scripted({"small": [at(1)]})
    said = ["throttled: a", "throttled: a", "none"]
    monkeypatch.setattr(target, "throttling", lambda: said.pop(0), raising=False)
    rested: list[float] = []
    monkeypatch.setattr("targets.cooling.time.sleep", rested.append)
    cool(target, replace(RULE, cool_down_s=5.0), lambda *_: None)
    assert (rested, said) == ([5.0] * 3, [])
    monkeypatch.setattr(target, "throttling", lambda: "throttled: a")
    cool(target, replace(RULE, cool_down_s=5.0, cool_down_max_s=20.0), lambda *_: None)
    assert len(rested) == 3 + 4


def test_energy_and_power_are_judged_like_latency() -> None:
    # 2 W idle, 5 W under load of 2 s and 1,000 inferences: 6 mJ each.
    idle, load = (
        tuple((i * 10**9, watts + 0.01 * (-1) ** i) for i in range(3)) for watts in (2.0, 5.0)
    )
    target = Scripted(
        {"small": [at(1)]}, metered=EnergyRound("meter", "W", idle, load, idle, 1_000)
    )
    for limits, status in (
        ({"energy_mj": 7, "power_w": 6}, "PASS"),
        ({"energy_mj": 5}, "FAIL"),
        ({"power_w": 4.5}, "FAIL"),
    ):
        budget = Budget.model_validate(limits)
        found = trial.judge_alone(target, SMALL, budget, rule=RULE)
        assert found.verdict.status == status
        assert len(found.candidate.energy) == 5
    target.metered = replace(target.metered, load=target.metered.idle_before)
    found = trial.judge_alone(target, SMALL, Budget.model_validate({"energy_mj": 7}), rule=RULE)
    assert (found.verdict.status, len(found.attempts)) == ("INVALID", 3)


def test_energy_is_read_only_where_a_limit_asks_for_it() -> None:
    found, _ = conduct([at(1)], [at(0.4)])
    assert found.candidate.energy == ()
    budget = Budget.model_validate({"latency_ms": {"p95": 0.5}, "energy_mj": 3})
    found, _ = conduct([at(1)], [at(0.4)], budget)
    assert "not measured: no sensor" in found.verdict.lines[1].reason


def test_a_p99_limit_asks_for_its_samples() -> None:
    budget = Budget.model_validate({"latency_ms": {"p99": 4}})
    assert trial.covering(RULE, budget).min_samples == 300
    assert trial.covering(RULE, BUDGET).min_samples == 100


def test_too_few_samples_are_no_observation() -> None:
    few = replace(STEADY, latency_ns=(1,) * 30)
    budget = Budget.model_validate({"latency_ms": {"p95": 1, "p90": 1}})
    lines = conduct([at(1)], [few], budget)[0].verdict.lines
    assert [(line.limit, line.status) for line in lines] == [
        ("latency_ms.p90", "PASS"),
        ("latency_ms.p95", "UNVERIFIED"),
    ]
    assert "30 samples per process" in lines[1].reason


def test_a_file_alone_takes_absolute_limits() -> None:
    target = Scripted({"small": [at(0.4)]})
    budget = Budget.model_validate({"latency_ms": {"p95": 0.5}})
    found = trial.judge_alone(target, SMALL, budget, rule=RULE)
    assert (found.verdict.status, found.dense) == ("PASS", None)
    with pytest.raises(UsageError, match="50% of dense"):
        trial.judge_alone(target, SMALL, BUDGET, rule=RULE)


def test_progress_rises_to_one_and_conditions_are_kept() -> None:
    told: list[tuple[str, float]] = []
    target = Scripted({"dense": [at(1)], "small": [at(1)]})
    pair = {"dense": DENSE, "candidate": SMALL}
    found = trial.sitting(target, pair, RULE, lambda message, share: told.append((message, share)))
    fractions = [share for _, share in told]
    assert fractions == sorted(fractions)
    assert (fractions[0], fractions[-1]) == (0.0, 1.0)
    assert found["dense"].conditions == {
        "cpu": "x",
        "load_average": "1",
        "drift": "+0.0%",
        "reference_change": "+0.0%",
        "autocorrelation": "0.00",
        "device": "scripted",
        "processes": "5",
        "samples_per_process": "300",
        "memory_import_mb": "0.0",
        "memory_load_mb": "0.0",
        "memory_prepare_mb": "0.0",
        "memory_infer_mb": "0.4",
    }
