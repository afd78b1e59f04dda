"""Replaying: the same bytes from a package's record and the same task, and why not otherwise.

The steps of a run are taken without measuring: what is recorded depends on none of that.
"""

import json
from collections.abc import Callable
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipeline import native, quantizing, replay_keeping, replay_record, stages
from pipeline.cli import app
from pipeline.console import Console
from pipeline.desk import Desk
from pipeline.ladder import Method
from pipeline.package.contents import Delivery, Notes
from pipeline.package.golden import Golden
from pipeline.package.interface import described
from pipeline.package.linux.build import build
from pipeline.recipe import Prune, Quantize, Recipe, Recover, read
from pipeline.replay_record import Record
from pipeline.report.document import MeasurementSummary, RowVerdict
from pipeline.task import SPLITS, load
from pipeline.workspace import Workspace
from targets import device
from targets import target as targets
from targets.measurement import Measurement, TimingRule

TASK = """
import torch
from torch import nn

metrics = ["accuracy"]
state = {"width": 8, "seed": 0}

def configure(width=8, data=None):
    state["width"] = width

def build():
    torch.manual_seed(state["seed"])
    width = state["width"]
    return nn.Sequential(
        nn.Conv2d(1, width, 3), nn.BatchNorm2d(width), nn.ReLU(), nn.Conv2d(width, 8, 3),
        nn.ReLU(), nn.Flatten(), nn.Linear(8 * 16, 4),
    )

def example_inputs():
    return (torch.zeros(1, 1, 8, 8),)

def batches(split):
    generator = torch.Generator().manual_seed(len(split))
    for _ in range(2):
        x = torch.randn(16, 1, 8, 8, generator=generator)
        yield (x,), x.mean((1, 2, 3)).gt(0).long()

def loss(outputs, target):
    return nn.functional.cross_entropy(outputs, target)
"""
RECIPE = """
version: 1
params: {width: 8, data: null}
runtimes: [onnxruntime]
budget: {size_kb: 100}
steps:
  - prune: {ratio: 0.5}
"""
INT8 = Quantize(activations="int8")
RECOVER = Recover(epochs=1)


def write_recipe(folder: Path) -> Path:
    folder.mkdir(exist_ok=True)
    (folder / "task.py").write_text(TASK)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


@pytest.fixture(scope="module")
def desk(tmp_path_factory):
    """The desk of a run, whose data lies somewhere on this machine."""
    folder = write_recipe(tmp_path_factory.mktemp("made") / "recipe")
    loaded = read(folder, ["params.data=/somewhere/here"])
    task = load(loaded.folder, loaded.recipe.task, loaded.recipe.params, SPLITS)
    with Console(quiet=True) as console, Workspace.open(folder.parent / "run", "recipe") as space:
        host = device.load("host")
        found = {"onnxruntime": targets.find(host, "onnxruntime")}
        yield Desk(loaded, task, host, found, space, console, TimingRule.quick())


def shaped(desk: Desk) -> Path:
    pruned = stages.prune(desk, stages.dense(desk), Prune(ratio=0.5))
    return stages.recover(desk, pruned, RECOVER)


def at_once(desk: Desk) -> tuple[Path, Path, Path]:
    """Pruned, recovered, quantized as it is exported."""
    folder = shaped(desk)
    exported = stages.export(desk, folder, INT8, ("onnxruntime",))
    return folder, exported.folder, exported.files["onnxruntime"]


def in_float(desk: Desk) -> tuple[Path, Path, Path]:
    """The dense model in float32."""
    folder = stages.dense(desk)
    exported = stages.export(desk, folder, None, ("onnxruntime",))
    return folder, exported.folder, exported.files["onnxruntime"]


def planned(desk: Desk) -> tuple[Path, Path, Path]:
    """With a plan of its own and a layer kept float."""
    folder = quantizing.plan(desk, stages.dense(desk), Method("min-max"), ())
    kept = quantizing.keep(desk, folder, ("linear",))
    exported = stages.export(desk, kept, INT8, ("onnxruntime",))
    return kept, exported.folder, exported.files["onnxruntime"]


def trained(desk: Desk) -> tuple[Path, Path, Path]:
    """Equalized, rounded, and then trained with the plan's rounding in it."""
    folder = quantizing.plan(desk, stages.dense(desk), Method("least-squares", True), ())
    folder = quantizing.train(desk, folder, RECOVER)
    exported = stages.export(desk, folder, INT8, ("onnxruntime",))
    return folder, exported.folder, exported.files["onnxruntime"]


def by_the_runtimes_tool(desk: Desk) -> tuple[Path, Path, Path]:
    """Quantized by ONNX Runtime's own tool."""
    settings = {"quantize": {"engine": "native", "activations": "int8"}}
    recipe = Recipe.model_validate({**desk.loaded.recipe.model_dump(), "steps": ({**settings},)})
    asking = replace(desk, loaded=replace(desk.loaded, recipe=recipe))
    made = native.made(asking, "", shaped(desk), "onnxruntime")
    return made.folder, made.exported.folder, made.exported.files["onnxruntime"]


Chain = Callable[[Desk], tuple[Path, Path, Path]]


@dataclass
class Package:
    """An archive, and its record."""

    path: Path
    record: Record


def packaged(desk: Desk, chain: Chain, folder: Path) -> Package:
    candidate, exported, file = chain(desk)
    target = desk.targets["onnxruntime"]
    artifact = target.describe(file).artifact
    kept = folder / "replay"
    replay_keeping.keep(kept, candidate, exported, "onnxruntime", artifact.sha256)
    (inputs, _), *_ = desk.task.batches("validation")
    samples = tuple(one[:2].numpy() for one in inputs)
    nothing = Measurement(artifact.sha256, "onnxruntime", (), (), "measured-on-device")
    delivery = Delivery(
        name="tiny", title="tiny-onnxruntime", artifact=artifact, description="",
        golden=Golden(samples, tuple(target.infer(artifact, samples))),
        measurement=MeasurementSummary.model_validate(nothing.summary()),
        verdict=RowVerdict(status="PASS"), lineage=("dense",), notes=Notes(),
        interface=described("tiny", artifact), replay=replay_record.members(kept),
    )  # fmt: skip
    for name, content in build(delivery, None).items():
        (folder / name).write_bytes(content)
    return Package(next(folder.glob("*.tar.gz")), replay_record.read(kept / "replay.json"))


@pytest.fixture(scope="module")
def package(desk, tmp_path_factory) -> Package:
    return packaged(desk, at_once, tmp_path_factory.mktemp("package"))


def replayed(package: Path, recipe: Path, *more: str) -> tuple[int, dict]:
    arguments = ["replay", str(package), "--recipe", str(recipe), "--json", *more]
    done = CliRunner().invoke(app, arguments)
    return done.exit_code, json.loads(done.stdout)


def test_the_record_holds_settings_and_digests_and_no_path(package: Package) -> None:
    record = package.record
    assert [step.does for step in record.steps] == ["prune", "recover"]
    assert (record.task.params, sorted(record.task.files)) == ({"width": 8}, ["task.py"])
    assert "/somewhere" not in record.model_dump_json()
    assert record.export.plan == "plan-1.json"


def test_the_same_task_gives_the_same_bytes(package: Package, tmp_path: Path) -> None:
    code, found = replayed(package.path, write_recipe(tmp_path / "elsewhere"), "--data", "there")
    assert [one["does"] for one in found["steps"]] == ["dense", "prune", "recover", "export"]
    assert [one["same"] for one in found["steps"]] == [True] * 4
    assert (code, found["same"], found["reasons"]) == (0, True, [])
    assert found["sha256"]["rebuilt"] == package.record.sha256


@pytest.mark.slow
@pytest.mark.parametrize("chain", [in_float, planned, trained])
def test_every_way_to_an_artifact_is_replayed(desk, chain, tmp_path) -> None:
    found = packaged(desk, chain, tmp_path)
    code, told = replayed(found.path, write_recipe(tmp_path / "elsewhere"))
    assert (code, [one["same"] for one in told["steps"]]) == (0, [True] * len(told["steps"]))


@pytest.mark.slow
def test_the_runtimes_own_tool_is_replayed(desk, tmp_path) -> None:
    found = packaged(desk, by_the_runtimes_tool, tmp_path)
    code, told = replayed(found.path, write_recipe(tmp_path / "elsewhere"))
    assert (code, told["same"]) == (0, True)


def test_another_model_is_told_step_by_step(package: Package, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "other")
    (recipe / "task.py").write_text(TASK.replace('"seed": 0', '"seed": 1'))
    code, found = replayed(package.path, recipe)
    assert (code, found["same"]) == (3, False)
    assert found["steps"][0]["same"] is False
    assert any("other weights" in reason for reason in found["reasons"])
    assert any("task.py" in reason for reason in found["reasons"])


def test_other_params_are_refused_with_what_to_say(package: Package, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "wide")
    (recipe / "recipe.yaml").write_text(RECIPE.replace("width: 8", "width: 16"))
    code, found = replayed(package.path, recipe)
    assert code == 2
    assert "--set params.width=" in found["error"]["message"]
    assert replayed(package.path, recipe, "--set", "params.width=8")[0] == 0
    code, found = replayed(package.path, recipe, "--set", "steps.0.prune.ratio=0.9")
    assert (code, "settings are the package's" in found["error"]["message"]) == (2, True)


def test_a_model_of_another_shape_is_told(package: Package, tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "deep")
    (recipe / "task.py").write_text(TASK.replace("nn.Conv2d(width, 8, 3)", "nn.Conv2d(width, 9, 3)")
                                    .replace("8 * 16", "9 * 16"))  # fmt: skip
    code, found = replayed(package.path, recipe)
    assert code == 2
    assert "plan" in found["error"]["message"]


def test_what_is_no_package_is_told(tmp_path: Path) -> None:
    recipe = write_recipe(tmp_path / "recipe")
    (tmp_path / "broken.zip").write_bytes(b"PK\x03\x04 no archive")
    for name in ("broken.zip", "none.zip"):
        assert replayed(tmp_path / name, recipe)[0] == 2


def test_a_package_without_a_record_is_told(desk, package: Package, tmp_path, monkeypatch) -> None:
    monkeypatch.setattr(replay_record, "members", lambda _: {})
    found = packaged(desk, at_once, tmp_path)
    code, told = replayed(found.path, write_recipe(tmp_path / "recipe"))
    assert (code, "make the package anew" in told["error"]["message"]) == (2, True)


def test_a_package_of_another_model_than_its_record_is_refused(
    desk, package: Package, tmp_path, monkeypatch
) -> None:
    kept = replay_record.members(package.path.parent / "replay")
    monkeypatch.setattr(replay_record, "members", lambda _: kept)
    found = packaged(desk, in_float, tmp_path)
    assert found.record.sha256 != package.record.sha256
    code, told = replayed(found.path, write_recipe(tmp_path / "recipe"))
    message = told["error"]["message"]
    assert code == 2
    assert package.record.sha256 in message and found.record.sha256 in message
    assert "make the package anew" in message
