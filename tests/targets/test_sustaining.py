"""Minutes of load: the curve, the judged last part, and what makes nothing invalid here."""

from dataclasses import dataclass, field, replace
from pathlib import Path

import pytest

from targets import sustaining
from targets.artifact import Artifact
from targets.budget import Budget
from targets.device import DeviceProfile
from targets.errors import UsageError
from targets.measurement import ProcessSamples, TimingRule

MODEL = Artifact(Path("model.onnx"), "onnx", "c" * 64, 100_000, (), ())
P95 = Budget.model_validate({"latency_ms": {"p95": 1.5}})
COOL = ProcessSamples((1_000_000,) * 300, 5, 5, 100, 100, 30, {"throttling": "none"})
HOT = replace(
    COOL,
    latency_ns=(1_800_000,) * 300,
    reference_ns_after=180,
    conditions={"throttling": "throttled: thermal status severe"},
)


@dataclass
class Warming:
    """A device that slows down after so many seconds of load, on a clock of its own."""

    hot_at_s: float
    hot: ProcessSamples = HOT
    now_s: float = 0.0
    runtime: str = "onnxruntime"
    provenance: str = "measured-on-device"
    rules: list[TimingRule] = field(default_factory=list)
    device: DeviceProfile = field(
        default_factory=lambda: DeviceProfile(name="scripted", runtimes=("onnxruntime",))
    )

    def sample(self, artifact: Artifact, rule: TimingRule, seed: int = 0) -> ProcessSamples:
        self.rules.append(rule)
        begun, self.now_s = self.now_s, self.now_s + rule.min_seconds
        return self.hot if begun >= self.hot_at_s else COOL


def sustained(
    monkeypatch: pytest.MonkeyPatch, target: Warming, minutes: float
) -> sustaining.Sustained:
    monkeypatch.setattr(sustaining.time, "monotonic", lambda: target.now_s)
    return sustaining.sustain(target, MODEL, minutes, TimingRule())


def test_the_last_part_is_judged(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sustained(monkeypatch, Warming(hot_at_s=300), 10)
    assert [one.at_s for one in found.curve] == [30.0 * i for i in range(20)]
    assert found.curve[0].p50_ms == 1.0
    assert found.curve[-1].throttling.startswith("throttled")
    assert found.change() == pytest.approx(0.8)
    verdict = found.verdict(P95, TimingRule())
    assert (verdict.status, verdict.lines[0].observed) == ("FAIL", 1.8)


def test_a_device_that_holds_passes(monkeypatch: pytest.MonkeyPatch) -> None:
    found = sustained(monkeypatch, Warming(hot_at_s=1e9), 1)
    assert len(found.curve) == 10
    assert found.change() == 0.0
    assert found.verdict(P95, TimingRule()).status == "PASS"


def test_throttling_is_no_excuse_and_a_busy_machine_is(monkeypatch: pytest.MonkeyPatch) -> None:
    busy = replace(HOT, waiting_share=0.5)
    found = sustained(monkeypatch, Warming(60, busy), 5)
    verdict = found.verdict(P95, TimingRule())
    assert verdict.status == "INVALID"
    assert "waits for a core" in verdict.lines[0].reason


def test_only_the_first_process_warms_up_for_long(monkeypatch: pytest.MonkeyPatch) -> None:
    target = Warming(1e9)
    sustained(monkeypatch, target, 1)
    assert [rule.warmup_max_s for rule in target.rules] == [8.0, *[0.5] * 9]


@pytest.mark.parametrize("minutes", [0, -1, float("nan"), float("inf"), 1e6])
def test_minutes_that_are_none(monkeypatch: pytest.MonkeyPatch, minutes: float) -> None:
    with pytest.raises(UsageError, match="minutes of load"):
        sustained(monkeypatch, Warming(1), minutes)
