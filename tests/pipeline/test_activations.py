"""Which 8-bit type of activations is chosen, by whom, and that it is measured once."""

import json
from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest
import torch

from pipeline import activations
from pipeline.recipe import Quantize
from pipeline.workspace import Workspace
from targets.device import DeviceProfile
from targets.errors import ConversionError

AUTO = Quantize()


class Console:
    def __init__(self) -> None:
        self.said: list[str] = []

    def progress(self, message: str, fraction: float) -> None:
        pass

    def remark(self, message: str) -> None:
        self.said.append(message)


@dataclass
class Target:
    """Takes so much time for int8's and uint8's artifact."""

    times: tuple[int, int]
    asked: list[int] = field(default_factory=list)

    def describe(self, path: Path) -> SimpleNamespace:
        return SimpleNamespace(artifact=path)

    def sample_in_turns(self, artifacts, rule, seed):
        assert [path.parent.name for path in artifacts] == ["int8", "uint8"]
        self.asked.append(seed)
        return tuple(SimpleNamespace(latency_ns=(one, one)) for one in self.times)


@pytest.fixture
def desk(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    """Makes a desk whose models are never made: only times count."""
    monkeypatch.setattr(activations.excluding, "quantized", lambda *_: None)
    monkeypatch.setattr(activations, "export_graph", lambda *_, **__: None)

    def make(workspace: Workspace, times=(100, 60), **profile):
        one = (torch.zeros(1, 1),)
        task = SimpleNamespace(
            identity=lambda: "task",
            batches=lambda split: iter([(one, None)]),
            example_inputs=lambda: one,
        )
        return SimpleNamespace(
            device=DeviceProfile(name="d", runtimes=("onnxruntime", "tflite"), **profile),
            workspace=workspace,
            console=Console(),
            task=task,
            dense=None,
            targets={"onnxruntime": Target(times)},
        )

    with Workspace.open(tmp_path / "run", "recipe") as workspace:
        yield lambda *args, **kwargs: make(workspace, *args, **kwargs)


@pytest.mark.parametrize(("times", "expected"), [((100, 60), "uint8"), ((60, 100), "int8")])
def test_the_faster_one_is_measured_once(desk, times, expected) -> None:
    made = desk(times)
    assert activations.chosen(made, "onnxruntime", AUTO) == expected
    assert activations.chosen(made, "onnxruntime", AUTO) == expected
    assert len(made.targets["onnxruntime"].asked) == activations.RULE.processes
    (said,) = made.console.said
    assert "of int8's time" in said


@pytest.mark.parametrize(("arch", "expected"), [("x86_64", "uint8"), ("aarch64", "int8")])
def test_equals_are_left_to_the_architecture(desk, arch: str, expected: str) -> None:
    made = desk((100, 100), arch=arch)
    assert activations.chosen(made, "onnxruntime", AUTO) == expected
    assert "not told apart" in made.console.said[0]


def test_what_is_stated_is_not_measured(desk) -> None:
    made = desk((60, 100), activations={"onnxruntime": "uint8"})
    assert activations.chosen(made, "onnxruntime", AUTO) == "uint8"
    assert activations.chosen(made, "onnxruntime", Quantize(activations="int8")) == "int8"
    assert activations.chosen(made, "tflite", AUTO) == "int8"
    assert made.targets["onnxruntime"].asked == []


def test_a_model_that_the_runtime_refuses_is_left_to_the_architecture(
    desk, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(*_, **__):
        raise ConversionError("no such operator")

    monkeypatch.setattr(activations, "export_graph", refuse)
    made = desk(arch="x86_64")
    assert activations.chosen(made, "onnxruntime", AUTO) == "uint8"
    (step,) = made.workspace.folder.glob("steps/activations-onnxruntime-*")
    assert "no such operator" in json.loads((step / "activations.json").read_text())["reason"]
