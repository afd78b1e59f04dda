"""`edgesmith inspect` on an artifact of a run, made here by hand, and on files that are not."""

import json
import shutil
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from typer.testing import CliRunner

from pipeline import evaluate
from pipeline.cli import app
from pipeline.graph import trace
from pipeline.quantize import quantize
from pipeline.quantize.layers import layers
from pipeline.recipe import Quantize
from pipeline.workspace import RUN_FILE, SEAL
from targets import device, target
from targets.onnxruntime.export import export

MACS = 8 * 64 * 9 + 16 * 8 * 64 * 9 + 4 * 16


class Net(nn.Module):
    """Two convolutions with a GELU between them, which stays float."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(1, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 16, 3, padding=1)
        self.head = nn.Linear(16, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.relu(self.second(nn.functional.gelu(self.first(x))))
        return self.head(x.mean((2, 3)))


@dataclass(frozen=True)
class Made:
    run: Path
    artifact: Path


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Made:
    """What a run leaves of one export and its scoring, as far as inspecting reads it."""
    torch.manual_seed(0)
    inputs = torch.randn(32, 1, 8, 8)
    graph = trace(Net().eval(), (inputs[:1],))
    quantized = quantize(graph, [(inputs,)], Quantize())
    run = tmp_path_factory.mktemp("run")
    step, score = run / "steps" / "export-0", run / "steps" / "score-onnxruntime-0"
    artifact = step / "onnxruntime" / "model.onnx"
    artifact.parent.mkdir(parents=True)
    score.mkdir()
    export(quantized.folded, (inputs[:1],), artifact, precision="int8", activations="uint8")
    with torch.no_grad():
        np.save(step / "reference.npy", quantized.unfolded(inputs).numpy())
    quantized.plan.save(step / "quant_plan.json")
    layers(quantized.unfolded, (inputs,)).save(step)
    (run / RUN_FILE).write_text("{}")
    (step / SEAL).write_text("{}")
    runtime = target.find(device.load("host"), "onnxruntime")
    described = runtime.describe(artifact).artifact
    (outputs,) = runtime.infer(described, [inputs.numpy()])
    np.save(score / "outputs.npy", outputs)
    (score / "scores.json").write_text('{"per_class_of": "accuracy"}')
    (score / SEAL).write_text(json.dumps({"inputs": {"artifact": described.sha256}}))
    assert evaluate.agreement(outputs, np.load(step / "reference.npy")) > 0.9
    return Made(run, artifact)


def inspected(*arguments: object) -> tuple[int, dict[str, object]]:
    done = CliRunner().invoke(app, ["inspect", *map(str, arguments), "--json"])
    return done.exit_code, json.loads(done.stdout)


def test_what_runs_is_told(made: Made) -> None:
    code, found = inspected(made.artifact)
    execution = found["execution"]
    assert code == 0
    assert execution["macs"] == MACS
    assert execution["int8_macs_share"] == 1.0
    assert "provider" in execution["partitions"]["unavailable"]
    assert execution["conversions"] >= 2
    assert [one["reason"] for one in execution["float_leftovers"]] == [""]  # of unknown origin
    assert {one["role"] for one in found["executed"]} >= {"computes", "converts"}
    assert found["against"] is None


def test_a_run_knows_why_and_how_faithful(made: Made, tmp_path: Path) -> None:
    copy = shutil.copy(made.artifact, tmp_path / "delivered.onnx")
    code, found = inspected(copy, "--against", made.run)
    (leftover,) = found["execution"]["float_leftovers"]
    assert "cost more than float" in leftover["reason"]
    against = found["against"]
    assert code == (0 if against["faithful"] else 3)
    assert against["agreement"] >= 0.9
    assert against["sqnr_db"] == "equal" or against["sqnr_db"] > 30
    assert against["as_executed"]
    levels = [one["sqnr_db"] for one in against["layers"] if one["sqnr_db"] != "equal"]
    assert levels == sorted(levels)
    assert {"x", "linear"} <= {one["tensor"] for one in against["layers"]}


def test_tables_are_shown(made: Made) -> None:
    done = CliRunner().invoke(app, ["inspect", str(made.artifact), "--against", str(made.run)])
    assert done.exit_code == 0, done.output
    assert "QLinearConv" in done.output
    assert "multiply-accumulates in 8 bits: 100.0%" in done.output
    assert "SQNR" in done.output


def test_a_file_of_another_run_is_refused(made: Made, tmp_path: Path) -> None:
    other = tmp_path / "other.onnx"
    other.write_bytes(made.artifact.read_bytes() + b" ")
    code, found = inspected(other, "--against", made.run)
    assert code == 2
    assert "not a file of the run" in found["error"]["message"]
    assert "model.onnx" in found["error"]["message"]


def test_a_damaged_step_is_told(made: Made, tmp_path: Path) -> None:
    run = tmp_path / "run"
    shutil.copytree(made.run, run)
    (run / "steps" / "export-0" / "layers.json").write_text("{}")
    code, found = inspected(made.artifact, "--against", run)
    assert code == 2
    assert "layers.json: can't be read" in found["error"]["message"]


def test_a_folder_that_is_no_run_is_refused(made: Made, tmp_path: Path) -> None:
    code, found = inspected(made.artifact, "--against", tmp_path)
    assert code == 2
    assert "no run" in found["error"]["message"]
