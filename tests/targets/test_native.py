"""The runtimes' own quantizers: one suite for all three."""

import importlib.util
from pathlib import Path

import numpy as np
import pytest

from targets import device
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT
from targets.errors import ConversionError, EnvironmentFault
from targets.native import GRID, NativeSettings, check_tool, quantize_native
from targets.target import find

HAS_NNCF = importlib.util.find_spec("nncf") is not None
RUNTIMES = [
    "tflite",
    "onnxruntime",
    pytest.param("openvino", marks=pytest.mark.skipif(not HAS_NNCF, reason="needs NNCF")),
]


def file(models: Path, runtime: str, name: str = "net") -> Path:
    return models / f"{name}{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"


@pytest.fixture
def samples(models: Path) -> np.ndarray:
    return np.load(models / "reference.npz", allow_pickle=False)["inputs"]


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_the_first_of_the_grid_is_int8_and_close(
    models: Path, samples: np.ndarray, runtime: str, tmp_path: Path
) -> None:
    model = file(models, runtime)
    path = tmp_path / "made" / f"model{model.suffix}"
    assert quantize_native(runtime, model, [samples], path, GRID[runtime][0]) == path
    target = find(device.load("host"), runtime)
    told = target.describe(path)
    assert told.execution.int8_macs_share == 1.0
    reference = np.load(models / "reference.npz", allow_pickle=False)["outputs"]
    (outputs,) = target.infer(told.artifact, [samples])
    # Five tensors of 8 bits, each with noise of about 1/256 of its range: far below a tenth.
    assert np.linalg.norm(outputs - reference) < 0.1 * np.linalg.norm(reference)


def test_tflite_takes_float32_where_asked(
    models: Path, samples: np.ndarray, tmp_path: Path
) -> None:
    model, path = file(models, "tflite"), tmp_path / "model.tflite"
    quantize_native("tflite", model, [samples], path, NativeSettings(io="float32"))
    told = find(device.load("host"), "tflite").describe(path)
    assert {spec.dtype for spec in (*told.artifact.inputs, *told.artifact.outputs)} == {"float32"}
    assert told.execution.int8_macs_share == 1.0


def test_what_a_tool_has_not_is_told(models: Path, samples: np.ndarray, tmp_path: Path) -> None:
    settings = NativeSettings(range="entropy")
    with pytest.raises(ConversionError, match=r"ai-edge-quantizer can't .* it has min-max"):
        quantize_native(
            "tflite", file(models, "tflite"), [samples], tmp_path / "m.tflite", settings
        )
    assert not list(tmp_path.iterdir())


def test_a_missing_tool_names_its_cure(
    models: Path, samples: np.ndarray, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "nncf.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match=r"NNCF.*pip install 'edgesmith\[nncf\]'"):
        quantize_native(
            "openvino", file(models, "openvino"), [samples], tmp_path / "m.xml", NativeSettings()
        )


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_a_tool_that_is_there_can_be_asked_for_alone(runtime: str) -> None:
    check_tool(runtime)
