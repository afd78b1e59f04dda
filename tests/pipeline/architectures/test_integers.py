"""Every architecture in int8: each operator is integer or says why, and three runtimes agree."""

import importlib.util
from collections.abc import Callable, Mapping
from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from pipeline.exporting import export_graph
from pipeline.graph import Graph, trace
from pipeline.quantize import Quantized, quantize
from pipeline.recipe import Quantize
from targets.errors import ConversionError, TaskError

pytestmark = pytest.mark.slow
SUFFIXES = {"onnxruntime": ".onnx", "openvino": ".xml", "tflite": ".tflite"}
FAITHFUL_DB = 30.0
SAMPLES = 8
WITHOUT_RULE = {"volume": "conv3d has no int8 rule"}
REFUSED = {("styled", "tflite"): "operator square"}  # in float32 too
UNFAITHFUL = {
    ("two-towers", "onnxruntime"): "one number, near 0, of products that cancel",
    ("two-towers", "openvino"): "as on ONNX Runtime",
    ("two-towers", "tflite"): "as on ONNX Runtime",
    ("mirrored", "openvino"): "2026.4 computes another product with one thread than with two",
}
Inputs = tuple[Tensor, ...]
Case = tuple[Callable[[], nn.Module], Callable[[], Inputs]]


def _module(name: str) -> object:
    path = Path(__file__).with_name(f"test_{name}.py")
    spec = importlib.util.spec_from_file_location(f"architectures_{name}", path)
    assert spec is not None and spec.loader is not None
    found = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(found)
    return found


def _cases() -> dict[str, Case]:
    found: dict[str, Case] = {}
    for name in ("residual", "attending"):
        nets = _module(name)
        images = (SAMPLES, *nets.IMAGE[1:])
        for key, make in nets.NETS.items():
            found[key] = (make, lambda shape=images: (torch.randn(shape),))
    for key, (make, shape) in _module("joining").CASES.items():
        found[key] = (make, lambda shape=shape: (torch.randn(SAMPLES, *shape[1:]),))
    found |= _module("speaking").CASES
    for key, (make, shapes) in _module("unusual").CASES.items():
        found[key] = (make, lambda shapes=shapes: tuple(map(torch.randn, shapes)))
    return found


CASES = _cases()


@pytest.mark.parametrize("name", CASES)
def test_int8(name: str, tmp_path: Path) -> None:
    make, inputs = CASES[name]
    module, several = make().eval(), inputs()
    one = tuple(tensor[:1] for tensor in several)
    graph = trace(module, one)
    calibration = [several if graph.dynamic_batch else one]
    if name in WITHOUT_RULE:
        with pytest.raises(TaskError, match=WITHOUT_RULE[name]):
            quantize(graph, calibration, Quantize())
        return
    quantized = quantize(graph, calibration, Quantize())
    assert quantized.plan.weights
    assert all(one.reason for one in quantized.plan.floats)
    for runtime in SUFFIXES:
        if (reason := REFUSED.get((name, runtime))) is not None:
            with pytest.raises(ConversionError, match=reason):
                _computed(graph, quantized, one, runtime, tmp_path)
            continue
        found = _computed(graph, quantized, one, runtime, tmp_path)
        if (name, runtime) not in UNFAITHFUL:
            worst = min(_sqnr_db(quantized, one, found).values())
            assert worst >= FAITHFUL_DB, f"{runtime}: {worst:.1f} dB"


def _computed(
    graph: Graph, quantized: Quantized, inputs: Inputs, runtime: str, folder: Path
) -> list[np.ndarray]:
    path = folder / f"net{SUFFIXES[runtime]}"
    activations = "uint8" if runtime == "onnxruntime" else "int8"
    export_graph(graph, quantized, inputs, path, runtime=runtime, activations=activations)
    session = import_module(f"targets.{runtime}.session").Session(str(path))
    session.prepare()
    return session.run([tensor.numpy() for tensor in inputs])


def _sqnr_db(quantized: Quantized, inputs: Inputs, found: list[np.ndarray]) -> Mapping[int, float]:
    """By output: the quantized torch graph's power over that of the difference."""
    with torch.no_grad():
        expected = [output.numpy() for output in tree_leaves(quantized.folded(*inputs))]
    return {
        index: 10 * np.log10(np.square(one, dtype=float).sum() / max(_noise(one, other), 1e-30))
        for index, (one, other) in enumerate(zip(expected, found, strict=True))
    }


def _noise(one: np.ndarray, other: np.ndarray) -> float:
    return float(np.square(one.astype(float) - other).sum())
