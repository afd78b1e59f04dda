"""What pruning refuses, from argv to the exit code and from Python: one message that names the
cause, and no traceback."""

import json
import re
from pathlib import Path

import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.graph import Graph, trace
from pipeline.prune import CalibrationData, PrunePlan, apply, plan, verify
from pipeline.prune.repair.repairing import repair
from pipeline.recipe import Recover
from pipeline.recover import recover
from pipeline.task import load
from targets.errors import ArtifactError, TaskError, UsageError

SPLITS = ("train", "calibration", "validation")
BATCH = "(torch.randn(16, 6, generator=draw), torch.arange(16) % 3)"
LOSS = "nn.functional.cross_entropy(outputs, target)"
TASK = f"""\
import torch
from torch import nn

metrics = ["accuracy"]


def build():
    layers = nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, 24), nn.ReLU(), nn.Linear(24, 3)
    return nn.Sequential(*layers)


def example_inputs():
    return (torch.zeros(1, 6),)


def batches(split):
    draw = torch.Generator().manual_seed(len(split))
    yield {BATCH}
    yield {BATCH}


def loss(outputs, target):
    return {LOSS}
"""
RECIPE = """\
version: 1
runtimes: [onnxruntime]
budget: {size_kb: 500}
steps:
  - prune:
      MODE
  - recover: {epochs: 1}
"""
WIDE = BATCH.replace("(16, 6", "(16, 7 if split == 'calibration' else 6")
ENDLESS = BATCH.replace("generator=draw)", "generator=draw) / (split != 'calibration')")
TO_NAN = {LOSS: "(outputs * 0).sqrt().sum()"}  # itself 0, and its gradient 0 times infinity

# What the recipe says, what is changed in the task, and what must be told; all exit with 2.
CASES = {
    "a ratio of 1": ("ratio: 1.0", {}, ["recipe.yaml:6", "prune.ratio", "1.0", "less than 1"]),
    "a ratio of 0": ("ratio: 0", {}, ["recipe.yaml:6", "prune.ratio", "greater than 0"]),
    "a ratio below 0": ("ratio: -0.5", {}, ["recipe.yaml:6", "prune.ratio", "-0.5"]),
    "a ratio that is no number": ("ratio: .nan", {}, ["prune.ratio", "nan", "a finite number"]),
    "a pattern that matches nothing": (
        "{ratio: 0.5, keep: [2.wieght]}", {},
        ["recipe.yaml:6", "prune.keep", "'2.wieght' matches no group", "nearest names are 2.weig"],
    ),
    "a target out of reach": (
        "macs: 0.001", {},
        ["recipe.yaml:6: steps.0.prune.macs", "0.001 can't be reached", "no plan leaves less than",
         "it is held up by", "2.weight[0] (no narrower than 8"],
    ),
    "gradients of NaN, by importance": (
        "{ratio: 0.5, importance: taylor}", TO_NAN,
        ["calibration batch 1", "the gradient of 0.weight holds NaN", "look in loss()"],
    ),
    "gradients of NaN, in recovery": (
        "ratio: 0.5", TO_NAN, ["recover: the gradient's norm is nan", "lower steps", "loss()"],
    ),
    "calibration data of another shape": (
        "{ratio: 0.5, importance: activation}", {f"yield {BATCH}\n\n": f"yield {WIDE}\n\n"},
        ["task.py: batches('calibration'): batch 2", "found shape [16, 7]", "allowed: [N, 6]"],
    ),
    "calibration data that are not finite": (
        "ratio: 0.5", {f"yield {BATCH}\n\n": f"yield {ENDLESS}\n\n"},
        ["task.py: batches('calibration'): batch 2", "holds NaN or infinity"],
    ),
}  # fmt: skip


def task_file(folder: Path, changes: dict[str, str]) -> Path:
    text = TASK
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    (folder / "task.py").write_text(text)
    return folder


@pytest.mark.parametrize("case", CASES)
def test_a_run_ends_with_the_cause(case: str, tmp_path: Path) -> None:
    mode, changes, parts = CASES[case]
    task_file(tmp_path, changes)
    indented = mode if mode.startswith("{") else f"{{{mode}}}"
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODE", indented))
    arguments = ["run", str(tmp_path), "--out", str(tmp_path / "out")]
    result = CliRunner().invoke(app, arguments)
    told = " ".join(result.output.split())
    assert result.exit_code == 2, result.output
    assert "Traceback" not in told
    for part in parts:
        assert part in told, result.output


NAMELESS = {
    "kept to a budget": ("{to: budget, keep: [2.wieght]}", "keep", "'2.wieght' matches no group"),
    "kept by blocks": (
        "{ratio: 0.5, granularity: block, keep: [head]}",
        "keep",
        "nothing to prune",
    ),
    "kept of weights": (
        "{ratio: 0.5, granularity: weight, keep: [2.b]}",
        "keep",
        "'2.b' matches no group",
    ),
    "kept of channels": ("{macs: 0.5, keep: ['0', 2.b]}", "keep", "'2.b' matches no group"),
    "bounds": ("{macs: 0.5, bounds: {1.weight: [4, 8]}}", "bounds", "'1.weight' matches no group"),
}


@pytest.mark.parametrize("case", NAMELESS)
def test_a_name_of_nothing_is_told_before_anything_is_made(case: str, tmp_path: Path) -> None:
    mode, key, told = NAMELESS[case]
    task_file(tmp_path, {})
    (tmp_path / "recipe.yaml").write_text(RECIPE.replace("MODE", mode))
    result = CliRunner().invoke(app, ["run", str(tmp_path), "--out", str(tmp_path / "out")])
    assert result.exit_code == 2, result.output
    shown = " ".join(result.output.split())
    assert f"recipe.yaml:6: steps.0.prune.{key}" in shown
    assert told in shown
    assert list((tmp_path / "out" / "steps").iterdir()) == []


# ------------------------------------------------------------------ from Python
def net(middle: int = 24) -> nn.Module:
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Linear(6, 16), nn.ReLU(), nn.Linear(16, middle), nn.ReLU(), nn.Linear(middle, 3)
    )


@pytest.fixture
def graph() -> Graph:
    return trace(net(), (torch.zeros(1, 6),))


def data(width: int = 6, loss: object = None) -> CalibrationData:
    return CalibrationData((((torch.ones(4, width),), None),), loss)


@pytest.mark.parametrize("ratio", [1.0, -0.1, float("nan"), float("inf")])
def test_a_ratio_out_of_range(graph: Graph, ratio: float) -> None:
    with pytest.raises(UsageError, match=r"^ratio: .*found"):
        plan(graph, ratio=ratio)


def test_a_pattern_that_matches_nothing(graph: Graph) -> None:
    with pytest.raises(UsageError, match=r"keep: '2\.wieght' .* the nearest names are 2\.weight"):
        plan(graph, ratio=0.5, keep=["2.wieght"])


@pytest.mark.parametrize("target", [{"macs": 0.001}, {"params": 0.001}, {"size_bytes": 3}])
@pytest.mark.parametrize("strategy", ["uniform", "global"])
def test_a_target_out_of_reach(graph: Graph, target: dict, strategy: str) -> None:
    told = r"can't be reached; no plan leaves less than .* held up by 2\.weight\[0\] \(kept by .*"
    with pytest.raises(UsageError, match=told + r"0\.weight\[0\] \(no narrower than 2; \d+% of"):
        plan(graph, **target, strategy=strategy, keep=["2.weight[0]"])


def test_a_target_that_pinned_dimensions_hold_up() -> None:
    class Ordered(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(6, 16), nn.Linear(16, 3)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.two(self.one(x).cumsum(1))

    told = r"less than 1\.0000; it is held up by one\.weight\[0\] \(cumsum 'cumsum' works along"
    with pytest.raises(UsageError, match=told):
        plan(trace(Ordered(), (torch.zeros(1, 6),)), macs=0.5)


def test_gradients_that_are_no_numbers(graph: Graph, tmp_path: Path) -> None:
    with pytest.raises(TaskError, match=r"the gradient of 0\.weight holds NaN or infinity"):
        plan(graph, ratio=0.5, importance="taylor",
             data=data(loss=lambda outputs, _: (outputs * 0).sqrt().sum()))  # fmt: skip
    task = load(task_file(tmp_path, TO_NAN), "task.py", {}, SPLITS)
    with pytest.raises(TaskError, match="the gradient's norm is nan"):
        recover(graph, graph, task, Recover(epochs=1), lambda message, done: None)


def test_a_plan_for_another_model(graph: Graph) -> None:
    made, other = plan(graph, ratio=0.5), trace(net(20), (torch.zeros(1, 6),))
    told = r"2\.weight\[0\] of 24 channels, the model 2\.weight\[0\] of 20"
    for use in (
        lambda: apply(other, made),
        lambda: verify(other, made, other, (torch.zeros(2, 6),)),
        lambda: repair(other, other, made, [(torch.zeros(2, 6),)]),
    ):
        with pytest.raises(ArtifactError, match=told):
            use()


@pytest.mark.parametrize(
    ("change", "told"),
    [
        (lambda plan: plan.update(extra=1), "extra: Extra inputs are not permitted"),
        (lambda plan: plan["groups"][0].update(more=1), r"groups\.0\.more: Extra inputs"),
        (lambda plan: plan.pop("groups"), "groups: Field required"),
        (lambda plan: plan["groups"][1].pop("removed"), r"groups\.1\.removed: Field required"),
        (lambda plan: plan["settings"].pop("keep"), r"settings\.keep: Field required"),
        (lambda plan: plan["pinned"][0].pop("macs"), r"pinned\.0\.macs: Field required"),
    ],
)
def test_a_plan_file_with_other_keys(graph: Graph, tmp_path: Path, change, told: str) -> None:
    document = plan(graph, ratio=0.5).model_dump(mode="json")
    change(document)
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=rf"plan\.json: no pruning plan: {told}"):
        PrunePlan.load(tmp_path / "plan.json")


@pytest.mark.parametrize("importance", ["activation", "obs", "taylor"])
def test_calibration_data_of_another_shape(graph: Graph, importance: str) -> None:
    told = re.escape("calibration batch 1, input 1: the model takes (N, 6); found (4, 7)")
    with pytest.raises(TaskError, match=told):
        plan(graph, ratio=0.5, importance=importance, data=data(7, lambda o, _: o.sum()))
    made = plan(graph, ratio=0.5)
    with pytest.raises(TaskError, match=told):
        repair(graph, apply(graph, made), made, [(torch.ones(4, 7),)])
