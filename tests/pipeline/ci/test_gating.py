"""A model beside its baseline: what is refused, what is measured, and what the check then says."""

import pytest

from pipeline.ci.gating import Gate, checked
from pipeline.console import Console
from targets import device
from targets.budget import Budget
from targets.errors import ArtifactError, RecipeError, UsageError

P50 = "latency_ms.p50=5%"
HOST = device.load("host")
NOTHING = Budget()


def gated(run, model, *allowed, stated=NOTHING, profile=HOST):
    with Console(quiet=True) as console:
        gate = Gate.read(run.folder, allowed or (P50,))
        return checked(model, profile, stated, None, console, gate)


@pytest.mark.parametrize(("ms", "status", "code"), [(1.0, "PASS", 0), (1.2, "FAIL", 3)])
def test_the_code_follows_the_ratio(run, tmp_path, times, ms, status, code) -> None:
    taken = times(old=1.0, new=ms)
    found = gated(run, tmp_path / "new.onnx")
    assert (found.verdict.status, found.code) == (status, code)
    assert taken == ["old", "new", "new", "old"] * 4
    told = found.document["baseline"]
    assert told["ratio"]["latency_ms.p50"]["estimate"] == pytest.approx(ms)
    assert told["sessions"] == [{"status": status, "pairs": 8}]
    assert told["artifact"] == str(run.artifact)
    assert told["measurement"]["latency_ms"]["p50"] == 1.0
    assert found.document["measurement"]["latency_ms"]["p50"] == pytest.approx(ms)


def test_the_very_same_file_is_measured_and_passes(run, times) -> None:
    taken = times(old=1.0)
    found = gated(run, run.artifact)
    assert (found.verdict.status, len(taken)) == ("PASS", 16)


def test_limits_and_the_baseline_are_judged_together(run, tmp_path, times) -> None:
    times(old=1.0, new=1.0)
    stated = Budget().with_limits({"latency_ms.p95": 0.5})
    found = gated(run, tmp_path / "new.onnx", stated=stated)
    assert [line.limit for line in found.verdict.lines] == [
        "latency_ms.p95", "regression.latency_ms.p50",
    ]  # fmt: skip
    assert [line.status for line in found.verdict.lines] == ["FAIL", "PASS"]
    assert found.code == 3


def test_without_the_artifact_nothing_is_measured_and_nothing_decided(run, tmp_path, times) -> None:
    run.artifact.unlink()
    taken = times(new=1.0)
    found = gated(run, tmp_path / "new.onnx", P50, "size_kb=1%")
    assert (found.verdict.status, found.code, taken) == ("INCONCLUSIVE", 4, [])
    assert [line.status for line in found.verdict.lines] == ["INCONCLUSIVE"] * 2
    assert found.document["baseline"]["artifact"].startswith("unavailable: ")
    assert found.document["measurement"]["latency_ms"]["p50"].startswith("unavailable")


def test_another_interface_is_said(run, tmp_path, times, write_model) -> None:
    times(old=1.0, new=1.0)
    write_model(tmp_path / "new.onnx", 2.0, size=6)
    notes = gated(run, tmp_path / "new.onnx").document["baseline"]["notes"]
    assert ["the inputs differ" in notes[0], "the outputs differ" in notes[1]] == [True, True]


def test_a_device_that_is_not_reached_leaves_all_but_the_size_open(run, tmp_path) -> None:
    run.write(device="pixel-8")
    profile = device.load("pixel-8").model_copy(update={"link": "none"})
    found = gated(run, tmp_path / "new.onnx", P50, "size_kb=1%", profile=profile)
    assert [line.status for line in found.verdict.lines] == ["UNVERIFIED", "PASS"]
    run.artifact.unlink()
    found = gated(run, tmp_path / "new.onnx", "size_kb=1%", profile=profile)
    assert found.verdict.status == "INCONCLUSIVE"


def test_a_broken_model_is_told_before_anything_is_measured(run, tmp_path, times) -> None:
    taken = times(old=1.0)
    (tmp_path / "new.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match=r"new\.onnx"):
        gated(run, tmp_path / "new.onnx")
    assert taken == []


def test_a_gate_is_whole_or_none(run) -> None:
    assert Gate.read(None, ()) is None
    with pytest.raises(UsageError, match="--baseline RUN"):
        Gate.read(None, (P50,))
    with pytest.raises(UsageError, match="--max-regression latency"):
        Gate.read(run.folder, ())
    with pytest.raises(RecipeError, match="given twice"):
        Gate.read(run.folder, (P50, "latency_ms.p50=6%"))
