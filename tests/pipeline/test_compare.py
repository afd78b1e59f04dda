"""`edgesmith compare`: what is refused, and the document, by a target whose times are written down.

One comparison is real: two small files, a few rounds. What it finds is not asserted.
"""

import json
from dataclasses import replace
from pathlib import Path

import pytest
import torch
from typer.testing import CliRunner

from pipeline import compare as comparing
from pipeline.cli import app
from targets import target as targets
from targets.errors import ArtifactError, UsageError
from targets.measurement import MemoryPhases, ProcessSamples
from targets.onnxruntime import export

STEADY = ProcessSamples((1_000_000,) * 100, 5, 5, 100, 100, 30)


def net(width, size=8):
    torch.manual_seed(0)
    return torch.nn.Sequential(
        torch.nn.Conv2d(1, width, 3), torch.nn.ReLU(), torch.nn.Flatten(),
        torch.nn.Linear(width * (size - 2) ** 2, 4),
    )  # fmt: skip


@pytest.fixture(scope="module")
def files(tmp_path_factory):
    """Two files of one interface, one of another, a copy of the first, and no model."""
    folder = tmp_path_factory.mktemp("compared")
    for name, width, size in (("a", 8, 8), ("b", 2, 8), ("other", 2, 10)):
        inputs = (torch.zeros(1, 1, size, size),)
        export.export(net(width, size).eval(), inputs, folder / f"{name}.onnx", precision="fp32")
    (folder / "copy.onnx").write_bytes((folder / "a.onnx").read_bytes())
    (folder / "broken.onnx").write_bytes(b"no model")
    return folder


@pytest.fixture
def times(monkeypatch):
    """Sets how many ms each file takes, by its name."""

    def write(**ms):
        def sample(self, artifact, rule, seed=0):
            found = ms[artifact.path.stem]
            if isinstance(found, ProcessSamples):
                return found
            return replace(STEADY, latency_ns=(int(found * 1e6),) * 100)

        monkeypatch.setattr(targets.Target, "sample", sample)
        monkeypatch.setattr(
            targets.Target, "memory", lambda *_, **__: MemoryPhases(10, 20, 30, 3_000_010)
        )

    return write


def compare(files, a="a.onnx", b="b.onnx", *more):
    arguments = ["compare", str(files / a), str(files / b), "--json", *more]
    return CliRunner().invoke(app, arguments)


@pytest.mark.parametrize(
    ("ms", "verdict", "code"), [(0.5, "faster", 0), (2.0, "slower", 3), (1.0, "not told apart", 4)]
)
def test_the_exit_code_follows_the_verdict(files, times, ms, verdict, code):
    times(a=1.0, b=ms)
    result = compare(files)
    assert result.exit_code == code
    found = json.loads(result.stdout)
    assert (found["schema_version"], found["verdict"]) == (1, verdict)
    assert found["ratio"]["p50"] == {"estimate": ms, "low": ms, "high": ms}
    assert found["ratio"]["p95"]["estimate"] == ms
    assert found["size_bytes"]["ratio"] == found["size_bytes"]["b"] / found["size_bytes"]["a"] < 1
    assert found["peak_memory_mb"] == {"a": 3.0, "b": 3.0, "ratio": 1.0}
    assert found["a"]["runtime"] == found["b"]["runtime"] == "onnxruntime"
    assert found["notes"] == []


def test_without_json_a_table_is_printed(files, times):
    times(a=1.0, b=0.25)
    result = CliRunner().invoke(app, ["compare", str(files / "a.onnx"), str(files / "b.onnx")])
    assert "latency p50, ms" in result.stdout
    assert "B is faster: with 95% confidence" in result.stdout


def test_a_machine_that_drifts_decides_nothing(files, times, monkeypatch):
    monkeypatch.setattr("targets.cooling.time.sleep", lambda _: None)
    times(a=1.0, b=replace(STEADY, latency_ns=(500_000,) * 50 + (700_000,) * 50))
    result = compare(files)
    found = json.loads(result.stdout)
    assert (result.exit_code, found["verdict"]) == (4, "invalid")
    assert len(found["invalid"]) == 3
    assert "drifts" in found["reason"]


def test_another_interface_is_said_and_compared_all_the_same(files, times):
    times(a=1.0, other=0.5)
    result = compare(files, "a.onnx", "other.onnx")
    assert result.exit_code == 0
    notes = json.loads(result.stdout)["notes"]
    assert notes == ["the inputs differ: A has numbers [1, 1, 8, 8]; B has numbers [1, 1, 10, 10]"]
    assert "the inputs differ" in result.stderr


@pytest.mark.parametrize(
    ("a", "b", "parts"),
    [
        ("a.onnx", "nothing.onnx", ["nothing.onnx", "no such file"]),
        ("a.onnx", "a.txt", [".txt", "allowed"]),
        ("a.onnx", "broken.onnx", ["broken.onnx"]),
        ("a.onnx", "a.onnx", ["given twice"]),
        ("a.onnx", "copy.onnx", ["same bytes"]),
    ],
)
def test_what_is_no_pair_of_models_is_refused(files, a, b, parts):
    result = compare(files, a, b)
    assert result.exit_code == 2
    for part in parts:
        assert part in json.loads(result.stdout)["error"]["message"]


def test_too_few_rounds_and_unknown_devices_are_refused(files):
    result = compare(files, "a.onnx", "b.onnx", "--rounds", "5")
    assert (result.exit_code, "at least 6" in result.stdout) == (2, True)
    assert compare(files, "a.onnx", "b.onnx", "--device", "hots").exit_code == 2


def test_the_python_door_says_the_same(files, times):
    times(a=1.0, b=0.5)
    found = comparing.compare(files / "a.onnx", str(files / "b.onnx"), rounds=6)
    assert (found["verdict"], found["rounds"], found["confidence"]) == ("faster", 6, 0.95)
    with pytest.raises(UsageError):
        comparing.compare(files / "a.onnx", files / "a.onnx")
    with pytest.raises(ArtifactError):
        comparing.compare(files / "a.onnx", Path("nothing.onnx"))


@pytest.mark.slow
def test_a_real_comparison_measures_both_files(files):
    result = compare(files, "a.onnx", "b.onnx", "--rounds", "6")
    found = json.loads(result.stdout)
    assert result.exit_code in (0, 3, 4)
    for side in ("a", "b"):
        conditions = found[side]["measurement"]["conditions"]
        assert conditions["processes"] == "6"
        assert found[side]["measurement"]["provenance"] == "measured-on-device"
    ratio = found["ratio"]["p50"]
    assert ratio["low"] <= ratio["estimate"] <= ratio["high"]
