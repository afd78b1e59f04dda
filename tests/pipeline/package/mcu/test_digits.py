"""The digits recipe's net, quantized: its arena is the least, its outputs the golden ones."""

from pathlib import Path

import pytest

from pipeline.graph import trace
from pipeline.package.mcu.arena import interpreted
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
    assert runs_in(artifact.path, seen.least_bytes)
    assert not runs_in(artifact.path, seen.least_bytes - 1)
    vectors = gate(artifact, golden, seen, devices.load("cortex-m")).lines[4]
    assert (vectors.requirement, vectors.status) == ("golden vectors, output 0", "PASS")
