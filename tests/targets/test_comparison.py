"""Comparing two artifacts: turns, the verdict, and what makes a session invalid."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from targets.artifact import Artifact
from targets.comparison import Comparison, Session, compared, hold, rule_of
from targets.device import DeviceProfile
from targets.errors import UsageError
from targets.measurement import MemoryPhases, ProcessSamples, TimingRule
from targets.ratios import Ratio
from targets.trial import Seat

RULE = rule_of(TimingRule(cool_down_s=0.0, memory_processes=1))
ROUNDS = 8
A = Artifact(Path("a.onnx"), "onnx", "a" * 64, 400_000, (), ())
B = Artifact(Path("b.tflite"), "tflite", "b" * 64, 100_000, (), ())
STEADY = ProcessSamples((1_000_000,) * 300, 5, 5, 100, 100, 30)


def at(ms: float, tail: float | None = None, drift: float = 0.0) -> ProcessSamples:
    """300 samples of which every tenth is in the tail, and which end slower by `drift`."""
    ns, slow = int(ms * 1e6), int((tail or ms) * 1e6)
    latency = ((ns,) * 9 + (slow,)) * 30
    return replace(
        STEADY, latency_ns=latency[:100] + tuple(int(one * (1 + drift)) for one in latency[100:])
    )


@dataclass
class Scripted:
    """A target whose processes are written down, in order, the last repeated."""

    runtime: str
    script: list[ProcessSamples]
    turns: list[str]
    provenance: str = "measured-on-device"
    device: DeviceProfile = field(
        default_factory=lambda: DeviceProfile(name="scripted", runtimes=("onnxruntime", "tflite"))
    )

    def sample(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> ProcessSamples:
        self.turns.append(artifact.path.stem)
        return self.script.pop(0) if len(self.script) > 1 else self.script[0]

    def memory(self, artifact: Artifact, seed: int = 0) -> MemoryPhases:
        return MemoryPhases(10, 20, 30, artifact.size_bytes)


def held(
    a: list[ProcessSamples], b: list[ProcessSamples], rule: TimingRule = RULE
) -> tuple[Session, list[str]]:
    turns: list[str] = []
    seats = {
        "A": Seat(Scripted("onnxruntime", a, turns), A),
        "B": Seat(Scripted("tflite", b, turns), B),
    }
    return hold(seats, rule), turns


def test_two_runtimes_take_turns_in_one_session() -> None:
    session, turns = held([at(1)], [at(0.5)])
    assert turns == ["a", "b", "b", "a"] * (ROUNDS // 2)
    assert [one.runtime for one in session.measured.values()] == ["onnxruntime", "tflite"]
    assert session.measured["B"].artifact_sha256 == B.sha256
    assert session.invalid == ()


def test_twice_as_fast_is_faster_and_the_other_way_round_slower() -> None:
    session, _ = held([at(1)], [at(0.5)])
    found = session.compare("A", "B")
    assert found.latency["p50"].estimate == pytest.approx(0.5)
    assert found.verdict == "faster"
    assert session.compare("B", "A").verdict == "slower"
    assert session.compare("A", "A").verdict == "not told apart"


def test_one_unlucky_process_hides_no_difference() -> None:
    script = [at(0.7) for _ in range(ROUNDS)]
    script[3] = at(0.95)
    assert held([at(1)], script)[0].compare("A", "B").verdict == "faster"


def test_three_of_eight_slower_rounds_are_not_told_apart() -> None:
    script = [at(ms) for ms in (0.9, 1.1, 0.9, 1.1, 0.9, 1.1, 0.9, 0.9)]
    assert held([at(1)], script)[0].compare("A", "B").verdict == "not told apart"


def test_a_faster_middle_with_a_slower_tail_is_not_faster() -> None:
    found = held([at(1)], [at(0.8, tail=3.0)])[0].compare("A", "B")
    assert (found.latency["p50"].below, found.latency["p95"].above) == (True, True)
    assert found.verdict == "not told apart"


def test_a_session_that_drifts_is_held_again_and_every_fault_kept() -> None:
    bad = [at(0.5, drift=0.2)] * ROUNDS
    session, turns = held([at(1)], [*bad, at(0.5)])
    assert len(turns) == 2 * 2 * ROUNDS
    assert len(session.invalid) == 1
    assert "B: latency drifts by +20.0%" in session.invalid[0]
    assert session.compare("A", "B").verdict == "faster"


def test_a_session_that_never_steadies_is_invalid_not_judged() -> None:
    session, turns = held([at(1)], [at(0.5, drift=0.2)])
    assert len(turns) == RULE.attempts * 2 * ROUNDS
    assert len(session.invalid) == RULE.attempts
    found = session.compare("A", "B")
    assert found.verdict == "invalid"
    assert "drifts" in (found.invalid_reason or "")


def test_a_changed_reference_kernel_is_invalid() -> None:
    heated = replace(at(0.5), reference_ns_after=130)
    found = held([at(1)], [heated])[0].compare("A", "B")
    assert found.verdict == "invalid"
    assert "reference kernel" in (found.invalid_reason or "")


def test_a_difference_is_not_searched_for_by_measuring_again() -> None:
    _, turns = held([at(1)], [at(1.0), at(0.9), at(1.1)])
    assert len(turns) == 2 * ROUNDS


def test_too_few_rounds_are_refused_with_what_to_ask_for() -> None:
    with pytest.raises(UsageError, match=r"5 rounds .* at least 6"):
        rule_of(TimingRule(), 5)
    assert rule_of(TimingRule(), 6).processes == 6
    assert rule_of(TimingRule.quick(), 6).min_samples == 60  # 59 bound p95
    assert rule_of(TimingRule()).processes == ROUNDS


def test_measurements_of_one_sitting_can_be_compared_as_they_are() -> None:
    session, _ = held([at(1)], [at(0.5)])
    assert compared(session.measured["A"], session.measured["B"]).verdict == "faster"


def test_an_invalid_comparison_keeps_its_ratios() -> None:
    ratios = {"p50": Ratio(0.5, 0.4, 0.6), "p95": Ratio(0.5, 0.4, 0.6)}
    assert Comparison(ratios).verdict == "faster"
    assert Comparison(ratios, "it drifts").verdict == "invalid"
