"""Quantized graphs, exported and run by all three runtimes, against torch."""

from collections.abc import Callable
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.quantize import Quantized, apply, quantize
from pipeline.quantize.keeping import keeping
from pipeline.recipe import Quantize
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT

RUNTIMES = [
    ("tflite", "int8"),
    ("openvino", "int8"),
    ("onnxruntime", "int8"),
    ("onnxruntime", "uint8"),
]
LAYERS = 14
"""The most roundings between input and output in a net of these tests."""


def session(quantized: Quantized, one: Tensor, runtime: str, activations: str, folder: Path):
    exporter = import_module(f"targets.{runtime}.export")
    form = quantized.folded if exporter.FOLDED else quantized.unfolded
    path = folder / f"model{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"
    exporter.export(form, (one,), path, precision="int8", activations=activations)
    opened = import_module(f"targets.{runtime}.session").Session(str(path))
    opened.prepare()
    return opened


def outputs(opened, inputs: Tensor) -> np.ndarray:
    return np.concatenate([opened.run([each[None].numpy()])[0] for each in inputs])


def steps_apart(found: np.ndarray, quantized: Quantized, inputs: Tensor) -> np.ndarray:
    with torch.no_grad():
        expected = quantized.unfolded(inputs).numpy()
    return np.abs(found - expected) / quantized.plan.tensors[-1].scale


@pytest.fixture(scope="module", params=RUNTIMES, ids="-".join)
def opened(digits, request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory):
    """The digits net, exported and opened by one runtime."""
    folder = tmp_path_factory.mktemp("digits")
    return session(digits.quantized, digits.images[:1], *request.param, folder)


def test_an_artifact_decides_as_torch(digits, opened) -> None:
    found = outputs(opened, digits.images)
    with torch.no_grad():
        expected = digits.quantized.unfolded(digits.images).numpy()
    assert (found.argmax(1) == expected.argmax(1)).mean() >= 0.99
    # Runtimes round a tie their own way: an error of one step per layer at most, independent of
    # the others' and averaged by the next layer's weights; three deviations of their sum.
    assert steps_apart(found, digits.quantized, digits.images).max() <= 3 * np.sqrt(LAYERS)


@pytest.mark.parametrize("opened", RUNTIMES[:2] + RUNTIMES[3:], ids="-".join, indirect=True)
def test_the_digits_net_runs_on_integers(opened) -> None:
    executed = opened.executed()
    floats = {each.type for each in executed if each.dtype not in ("int8", "uint8")}
    floats = {kind for kind in floats if not kind.startswith("QLinear")}  # named by their scale
    moving = {"Reshape", "Transpose", "DELEGATE"}
    # What is left converts the input, or converts and moves values: nothing computes.
    assert floats - moving <= {"QuantizeLinear", "Subgraph", "Convert", "Reorder"}
    assert sum(each.dtype in ("int8", "uint8") for each in executed) >= 9


@pytest.mark.parametrize(("runtime", "activations"), RUNTIMES[:2] + RUNTIMES[3:])
def test_a_region_that_is_to_stay_float_does(digits, runtime, activations, tmp_path: Path) -> None:
    """Two convolutions and an addition; one of them alone would be made int8 again."""
    plan = keeping(digits.graph, digits.quantized.plan, ["conv2d_1", "conv2d_2", "add"])
    quantized = apply(digits.graph, plan)
    opened = session(quantized, digits.images[:1], runtime, activations, tmp_path)
    executed = [one for one in opened.executed() if not one.type.startswith("QLinear")]
    floats = [one for one in executed if "CONV" in one.type.upper() and one.dtype == "float32"]
    assert len(floats) == 2
    assert steps_apart(
        outputs(opened, digits.images[:50]), quantized, digits.images[:50]
    ).max() <= (3 * np.sqrt(LAYERS))


@pytest.mark.parametrize("seed", [2, 5])
@pytest.mark.parametrize(("runtime", "activations"), RUNTIMES)
def test_random_nets_agree(
    random_net: Callable[[int], nn.Module], seed: int, runtime, activations, tmp_path: Path
) -> None:
    torch.manual_seed(seed)
    inputs = torch.randn(32, 3, 16, 16) * torch.linspace(0.1, 1, 32)[:, None, None, None]
    graph = trace(random_net(seed), (inputs[:1],))
    quantized = quantize(graph, [(inputs,)], Quantize())
    found = outputs(session(quantized, inputs[:1], runtime, activations, tmp_path), inputs)
    apart = steps_apart(found, quantized, inputs)
    assert apart.max() <= 3 * np.sqrt(LAYERS)
    assert apart.mean() <= 1
