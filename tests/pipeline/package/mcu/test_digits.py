"""The digits recipe's net, quantized: its arena is the least, its outputs the golden ones."""

import io
import zipfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.graph import trace
from pipeline.package.manifest import Manifest
from pipeline.package.mcu.arena import interpreted
from pipeline.package.mcu.build import build
from pipeline.package.mcu.gate import gate
from pipeline.quantize import quantize
from pipeline.recipe import Quantize
from pipeline.task import load
from targets import device as devices
from targets.tflite.export import export

RECIPE = Path(__file__).parents[4] / "recipes" / "digits"


@pytest.fixture(scope="module")
def digits(described, tmp_path_factory):
    task = load(RECIPE, "task.py", {}, ("train", "calibration", "validation"))
    graph = trace(task.build(), task.example_inputs())
    calibration = [inputs for inputs, _ in task.batches("calibration")][:2]
    quantized = quantize(graph, calibration, Quantize())
    path = tmp_path_factory.mktemp("digits") / "model.tflite"
    export(quantized.unfolded, task.example_inputs(), path, precision="int8")
    inputs = next(iter(task.batches("validation")))[0]
    return described(path, tuple(one[:8].numpy() for one in inputs))


@pytest.mark.slow
def test_it_runs_in_the_least_arena_and_no_less(digits, runs_in):
    artifact, golden = digits
    seen = interpreted(artifact, golden)
    assert runs_in(artifact, seen.least_bytes)
    assert not runs_in(artifact, seen.least_bytes - 1)
    judged = gate(artifact, golden, seen, devices.load("cortex-m"))
    assert [line.status for line in judged.lines] == ["PASS"] * 7


@pytest.mark.slow
def test_its_package_holds_what_tflite_micro_gives_in_that_arena(digits, deliver, outputs_in):
    artifact, _ = digits
    files = members(build(deliver(digits), None))
    manifest = Manifest.model_validate_json(files["manifest.json"])
    inputs = np.load(io.BytesIO(files["golden/input-0.npy"]), allow_pickle=False)
    outputs = np.load(io.BytesIO(files["golden/output-0.npy"]), allow_pickle=False)
    least = manifest.details["arena"]["least_bytes"]
    made = outputs_in(artifact.path, least, artifact.inputs[0].encode(inputs))
    np.testing.assert_array_equal(artifact.outputs[0].decode(made), outputs)


def members(archives):
    ((name, content),) = archives.items()
    title = name.removesuffix("-mcu.zip")
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {one.removeprefix(f"{title}/"): archive.read(one) for one in archive.namelist()}
