"""The ladder end to end, on a net that is hostile to int8: trained, then its channels rescaled."""

import dataclasses
import json
from pathlib import Path

import pytest
import torch
from safetensors.torch import save_file
from torch import nn
from torch.nn import functional

from pipeline.console import Console
from pipeline.delivery import deliver
from pipeline.doors import Order, desk_for
from pipeline.report import storage
from pipeline.run import execute
from targets.measurement import TimingRule

pytestmark = pytest.mark.slow
TASK = """\
from pathlib import Path

import torch
from safetensors.torch import load_file
from sklearn.datasets import load_digits
from torch import nn
from torch.nn import functional

metrics = ["accuracy"]


def net():
    return nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.Conv2d(16, 32, 3, 2, 1, bias=False),
        nn.BatchNorm2d(32), nn.ReLU(), nn.Conv2d(32, 32, 3, 2, 1), nn.ReLU(), nn.Flatten(),
        nn.Linear(128, 10),
    )


def build():
    model = net()
    model.load_state_dict(load_file(Path(__file__).with_name("weights.safetensors")))
    return model.eval()


def example_inputs():
    return (torch.zeros(1, 1, 8, 8),)


def batches(split):
    digits = load_digits()
    images = torch.from_numpy(digits.images).float()[:, None] / 8 - 1
    labels = torch.from_numpy(digits.target)
    start, stop = {"train": (0, 1200), "calibration": (0, 128)}.get(split, (1200, 1797))
    for row in range(start, stop, 64):
        yield images[row:min(row + 64, stop)], labels[row:min(row + 64, stop)]


def loss(outputs, target):
    return functional.cross_entropy(outputs, target)
"""
RECIPE = """\
version: 1
runtimes: [onnxruntime]
budget: {metric: {name: accuracy, max_drop: 0.004}}
steps:
  - quantize: {mode: ladder}
"""


def trained() -> nn.Module:
    """The task's net after a few epochs."""
    space: dict[str, object] = {}
    exec(TASK, space)
    torch.manual_seed(0)
    net = space["net"]()
    optimizer = torch.optim.AdamW(net.parameters(), 3e-3)
    for _ in range(8):
        for images, labels in space["batches"]("train"):
            optimizer.zero_grad()
            functional.cross_entropy(net(images), labels).backward()
            optimizer.step()
    return net.eval()


@torch.no_grad()
def rescaled(net: nn.Module) -> nn.Module:
    """The same function: every second channel that a ReLU leaves is 100 times as large, which
    leaves the others two or three of int8's steps."""
    for before, after in ((net[0], net[2]), (net[3], net[5]), (net[5], net[8])):
        factor = torch.ones(len(before.bias))
        factor[::2] = 100
        before.weight *= factor.reshape([-1] + [1] * (before.weight.dim() - 1))
        before.bias *= factor
        read = factor.repeat_interleave(after.weight.shape[1] // len(factor))
        after.weight /= read.reshape([1, -1] + [1] * (after.weight.dim() - 2))
    return net


@pytest.fixture(scope="module")
def folder(tmp_path_factory) -> Path:
    folder = tmp_path_factory.mktemp("hostile")
    (folder / "task.py").write_text(TASK)
    (folder / "recipe.yaml").write_text(RECIPE)
    save_file(rescaled(trained()).state_dict(), folder / "weights.safetensors")
    return folder


def run(folder: Path, *overrides: str):
    """A run by the quick rule: its results, its report, and the steps made."""
    order = Order(folder, out=folder / "run", overrides=overrides)
    with Console(quiet=True) as console, desk_for(order, console) as desk:
        hurried = dataclasses.replace(desk, rule=TimingRule.quick())
        results = execute(hurried)
        return results, deliver(hurried, results), list(desk.workspace.made)


@pytest.fixture(scope="module")
def climbed(folder):
    return run(folder)


def test_plain_ranges_lose_too_much_and_the_ladder_recovers_without_training(climbed):
    results, report, _ = climbed
    (judged,) = results.judged
    rungs = judged.climbed["onnxruntime"]
    assert not any(one.holds for one in rungs[:-1])
    assert rungs[-1].holds
    assert len(rungs) > 1
    assert "qat" not in [one.rung.kind for one in rungs]
    assert report.verdict == "PASS"


def test_the_report_tells_every_rung(climbed, folder):
    _, report, _ = climbed
    row = report.selected()["onnxruntime"]
    assert row.rungs[-1].chosen
    assert row.rungs[-1].status == "PASS"
    assert not any(one.chosen for one in row.rungs[:-1])
    assert row.execution is not None
    page = (folder / "run" / storage.PAGE).read_text()
    assert "How it was quantized" in page
    json.dumps(report.model_dump(mode="json"), allow_nan=False)


def test_a_run_that_goes_on_makes_nothing_again(climbed, folder):
    results, _, made = climbed
    again, _, remade = run(folder)
    assert made
    assert [one for one in remade if not one.startswith("package")] == []
    assert [one.climbed for one in again.judged] == [one.climbed for one in results.judged]
