"""A device for estimates only: size is judged, the rest is told and left unverified."""

from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from targets.budget import Budget
from targets.device import DeviceProfile
from targets.errors import ArtifactError, UsageError
from targets.estimates import estimated

DEVICE = DeviceProfile(name="tiny", link="none", arch="armv7e-m", runtimes=("onnxruntime",))
BUDGET = Budget.model_validate(
    {"latency_ms": {"p95": 5}, "peak_memory_mb": 1, "size_kb": 100, "energy_mj": 1}
)


@pytest.fixture
def model(tmp_path: Path) -> Path:
    weights = numpy_helper.from_array(np.zeros((4, 10), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 4])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 10])],
        [weights],
    )
    onnx.save(helper.make_model(graph), tmp_path / "model.onnx")
    return tmp_path / "model.onnx"


def test_only_size_is_verified(model: Path) -> None:
    description, attempt = estimated(model, DEVICE, BUDGET)
    lines = {line.limit: line for line in attempt.verdict.lines}
    assert {name: line.status for name, line in lines.items()} == {
        "latency_ms.p95": "UNVERIFIED",
        "peak_memory_mb": "UNVERIFIED",
        "size_kb": "PASS",
        "energy_mj": "UNVERIFIED",
    }
    assert lines["peak_memory_mb"].observed == pytest.approx((4 * 14 + 4 * 40) / 1e6)
    assert "only modelled" in lines["energy_mj"].reason
    assert attempt.verdict.status == "UNVERIFIED"
    assert "4e-05 million MACs" in description.notes[0]
    assert str(attempt.candidate.summary()["peak_memory_mb"]).startswith("unavailable")


def test_what_can_not_be_estimated(model: Path, tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="absolute limits"):
        estimated(model, DEVICE, Budget.model_validate({"size_kb": "50% of dense"}))
    (tmp_path / "other.tflite").write_bytes(b"TFL3")
    with pytest.raises(UsageError, match="no runtime 'tflite'"):
        estimated(tmp_path / "other.tflite", DEVICE, BUDGET)
    (tmp_path / "bad.onnx").write_bytes(b"no model")
    with pytest.raises(ArtifactError, match="can't be read"):
        estimated(tmp_path / "bad.onnx", DEVICE, BUDGET)
