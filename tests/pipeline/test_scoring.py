"""`check --data`: a foreign file scored on a task's data, beside the task's own model."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from pipeline import scoring
from pipeline.ci import door
from pipeline.given import Given
from targets import device as devices
from targets import target as targets
from targets.device import DeviceProfile
from targets.errors import TaskError
from targets.measurement import TimingRule

TASK = """
import torch
from torch import nn

metrics = ["accuracy"]

class Mean(nn.Module):
    def forward(self, x):
        return x.mean((2, 3))

def build():
    return Mean()

def example_inputs():
    return (torch.zeros(1, 3, 4, 4),)

def batches(split):
    torch.manual_seed(0)
    for _ in range(2):
        x = torch.randn(8, 3, 4, 4)
        yield x, x.mean((2, 3)).argmax(1)
"""
HOST = devices.load("host")
SIZES = {"NCHW": ["N", 3, "H", "W"], "NHWC": [1, 4, 4, 3], "other": [1, 5]}
AXES = {"NCHW": [2, 3], "NHWC": [1, 2], "other": [1]}


@pytest.fixture
def task(tmp_path: Path) -> Path:
    (tmp_path / "task.py").write_text(TASK)
    return tmp_path / "task.py"


def model(folder: Path, layout: str = "NCHW", *, sign: str = "Identity", kind: int = 1) -> Path:
    """The task's model in this layout; with "Neg" it gives the least class instead."""
    nodes = [
        helper.make_node("Cast", ["x"], ["real"], to=TensorProto.FLOAT),
        helper.make_node("ReduceMean", ["real", "axes"], ["mean"], keepdims=0),
        helper.make_node(sign, ["mean"], ["y"]),
    ]
    axes = numpy_helper.from_array(np.array(AXES[layout], np.int64), "axes")
    x = helper.make_tensor_value_info("x", kind, SIZES[layout])
    y = helper.make_tensor_value_info("y", TensorProto.FLOAT, None)
    graph = helper.make_graph(nodes, "g", [x], [y], [axes])
    opsets = [helper.make_opsetid("", 18)]
    onnx.save(helper.make_model(graph, opset_imports=opsets, ir_version=10), folder / "m.onnx")
    return folder / "m.onnx"


def checked(
    capsys: pytest.CaptureFixture[str], file: Path, task: Path, *limits: str, device: str = "host"
) -> tuple[int, dict[str, object]]:
    rule, given = TimingRule.quick(), Given(data=task)
    order = door.Order(file, (device,), limits, rule=rule, given=given)
    code = door.check(order, as_json=True)
    return code, json.loads(capsys.readouterr().out)


def test_an_equal_model_loses_nothing(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    """Its open sizes are those of the task's example."""
    limits = ("metric.max_drop=0.01", "metric.max_class_drop=0.01")
    code, document = checked(capsys, model(tmp_path), task, *limits)
    assert (code, document["verdict"]["status"]) == (0, "PASS")
    assert document["accuracy"]["metrics"] == {"accuracy": 1.0}
    assert document["accuracy"]["dense"]["metrics"] == {"accuracy": 1.0}
    assert document["accuracy"]["provenance"] == "measured-on-device"
    assert document["artifact"]["inputs"][0]["shape"] == [1, 3, 4, 4]


def test_a_worse_model_fails(
    task: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    code, document = checked(capsys, model(tmp_path, sign="Neg"), task, "metric.max_drop=0.5")
    assert code == 3
    (line,) = document["verdict"]["lines"]
    assert line["status"] == "FAIL"
    assert line["observed"] > 0.5


def test_without_data_a_metric_is_not_judged(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    budget = tmp_path / "budget.yaml"
    budget.write_text("version: 1\nmetric: {name: accuracy, max_drop: 0.1}\nsize_kb: 100\n")
    given = Given({"x": (1, 3, 4, 4)})
    order = door.Order(model(tmp_path), budget=budget, rule=TimingRule.quick(), given=given)
    assert door.check(order, as_json=True) == 4
    lines = json.loads(capsys.readouterr().out)["verdict"]["lines"]
    (line,) = (one for one in lines if one["limit"] == "metric.max_drop")
    assert line["status"] == "UNVERIFIED"
    assert "--data TASK" in line["reason"]


def test_images_are_turned_to_the_files_layout(task: Path, tmp_path: Path) -> None:
    target = targets.find(HOST, "onnxruntime")
    found = scoring.score(scoring.load(task), model(tmp_path, "NHWC"), HOST, target)
    assert found.own.metrics == {"accuracy": 1.0}
    assert found.notes == ("input 'x': the task's (N, C, H, W) as (N, H, W, C)",)


def test_a_device_that_gives_no_outputs_leaves_it_unverified(task: Path, tmp_path: Path) -> None:
    tiny = DeviceProfile(name="tiny", link="none", arch="armv7e-m", runtimes=("onnxruntime",))
    found = scoring.score(scoring.load(task), model(tmp_path, "NHWC"), tiny, None)
    observed = found.observations("accuracy")["metric.max_drop"]
    assert (observed.value, observed.provenance) == (0.0, "measured-host")
    assert "can't be asked" in str(observed.unmeasured_reason)


@pytest.mark.parametrize(
    ("layout", "kind", "word"),
    [
        ("other", TensorProto.FLOAT, r"has the shape \[1, 5\]"),
        ("NHWC", TensorProto.UINT8, "uint8 without a scale"),
    ],
)
def test_data_that_does_not_fit(
    task: Path, tmp_path: Path, layout: str, kind: int, word: str
) -> None:
    target = targets.find(HOST, "onnxruntime")
    with pytest.raises(TaskError, match=word):
        scoring.score(scoring.load(task), model(tmp_path, layout, kind=kind), HOST, target)


def test_a_recipe_brings_its_task() -> None:
    found = scoring.load(Path("recipes/digits"))
    assert found.file.name == "task.py"
    assert tuple(found.example_inputs()[0].shape) == (1, 1, 32, 32)


def test_a_metric_that_the_task_has_not(task: Path, tmp_path: Path) -> None:
    target = targets.find(HOST, "onnxruntime")
    found = scoring.score(scoring.load(task), model(tmp_path, "NHWC"), HOST, target)
    with pytest.raises(TaskError, match="no metric 'recall'"):
        found.observations("recall")


def test_devices_side_by_side_take_turns_with_the_task(
    task: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    own = tmp_path / "edgesmith" / "devices"
    own.mkdir(parents=True)
    for name, link in (("here", "local"), ("tiny", "none")):
        profile = {"name": name, "link": link, "runtimes": ["onnxruntime"]}
        (own / f"{name}.yaml").write_text(json.dumps(profile))
    names, limits = ("host", "here", "tiny"), ("metric.max_drop=0.01",)
    file, rule = model(tmp_path, "NHWC"), TimingRule.quick()
    order = door.Order(file, names, limits, rule=rule, given=Given(data=task))
    assert door.check(order, as_json=True) == 4
    rows = json.loads(capsys.readouterr().out)["devices"]
    assert [row["verdict"]["status"] for row in rows] == ["PASS", "PASS", "UNVERIFIED"]
    assert [row["accuracy"]["metrics"]["accuracy"] for row in rows] == [1.0, 1.0, 1.0]
