"""Liveness and energy of graphs small enough to count by hand, and the files of three runtimes."""

import json
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper

from targets.artifact import Artifact
from targets.budget import Budget, Observation
from targets.errors import ArtifactError
from targets.modelled import estimate, estimate_of, instead, modelled
from targets.onnxruntime.graph import workload as onnx_workload
from targets.openvino.graph import workload as openvino_workload
from targets.workload import Operator, Tensor, Workload

# x (100) -> a (300) -> b (50) -> add(b, a) -> y (50); w is constant.
SIZES = {"x": 100, "a": 300, "b": 50, "y": 50}
SKIP = Workload(
    {**{name: Tensor(size) for name, size in SIZES.items()}, "w": Tensor(1000, constant=True)},
    (
        Operator("conv", ("x", "w"), ("a",), macs=1_000_000),
        Operator("pool", ("a",), ("b",)),
        Operator("add", ("b", "a"), ("y",)),
    ),
    ("x",),
    ("y",),
)


def test_a_tensor_lives_until_its_last_reader() -> None:
    # conv: x + a = 400; pool: a + b = 350; add: a + b + y = 400.
    assert SKIP.peak_activation_bytes() == 400
    chained = Workload(SKIP.tensors, (*SKIP.operators[:2], Operator("act", ("b",), ("y",))),
                       ("x",), ("y",))  # fmt: skip
    assert chained.peak_activation_bytes() == 400
    kept = Workload(SKIP.tensors, SKIP.operators, ("x",), ("y", "a", "x"))
    assert kept.peak_activation_bytes() == 100 + 300 + 50 + 50


def test_energy_is_macs_and_moved_bytes() -> None:
    moved = (100 + 1000 + 300) + (300 + 50) + (50 + 300 + 50)
    assert SKIP.energy_mj() == pytest.approx((1e6 * 4.6 + moved * 160) / 1e9)
    integer = Operator("conv", ("x",), ("a",), macs=1_000_000, integer=True)
    small = Workload(SKIP.tensors, (integer,), ("x",), ("a",))
    assert small.energy_mj() == pytest.approx((1e6 * 0.23 + 400 * 160) / 1e9)


def conv_onnx(path: Path) -> Path:
    """A convolution of 3 to 8 channels, 3 by 3, on 16 by 16, with a symbolic batch."""
    weights = numpy_helper.from_array(np.zeros((8, 3, 3, 3), np.float32), "w")
    graph = helper.make_graph(
        [
            helper.make_node("Conv", ["x", "w"], ["a"], pads=[1, 1, 1, 1]),
            helper.make_node("Relu", ["a"], ["y"]),
        ],
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["batch", 3, 16, 16])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, ["batch", 8, 16, 16])],
        [weights],
    )
    onnx.save(helper.make_model(graph), path)
    return path


CONV_MACS = 16 * 16 * 8 * 27
CONV_PEAK = 4 * 16 * 16 * (8 + 8)
OPENVINO = """<net><layers>
<layer id="0" type="Parameter"><output><port id="0" precision="FP32">{x}</port></output></layer>
<layer id="1" type="Const"><output><port id="0" precision="FP32">{w}</port></output></layer>
<layer id="2" type="Convolution"><input><port id="0">{x}</port><port id="1">{w}</port></input>
<output><port id="2" precision="FP32">{y}</port></output></layer>
<layer id="3" type="ReLU"><input><port id="0">{y}</port></input>
<output><port id="1" precision="FP32">{y}</port></output></layer>
<layer id="4" type="Result"><input><port id="0">{y}</port></input></layer></layers><edges>
<edge from-layer="0" from-port="0" to-layer="2" to-port="0"/>
<edge from-layer="1" from-port="0" to-layer="2" to-port="1"/>
<edge from-layer="2" from-port="2" to-layer="3" to-port="0"/>
<edge from-layer="3" from-port="1" to-layer="4" to-port="0"/></edges></net>"""


def dims(*sizes: int) -> str:
    return "".join(f"<dim>{size}</dim>" for size in sizes)


def test_an_onnx_file(tmp_path: Path) -> None:
    found = estimate_of(onnx_workload(conv_onnx(tmp_path / "model.onnx")))
    assert found["macs"] == CONV_MACS
    assert found["peak_activation_bytes"] == CONV_PEAK
    assert found["constant_bytes"] == 4 * 8 * 27


def test_an_openvino_file(tmp_path: Path) -> None:
    file = tmp_path / "model.xml"
    file.write_text(OPENVINO.format(x=dims(1, 3, 16, 16), w=dims(8, 3, 3, 3), y=dims(1, 8, 16, 16)))
    found = estimate_of(openvino_workload(file))
    assert found["macs"] == CONV_MACS
    assert found["peak_activation_bytes"] == CONV_PEAK
    assert found["constant_bytes"] == 4 * 8 * 27


@pytest.mark.parametrize(
    "text",
    ["", "<net>", "<!DOCTYPE x [<!ENTITY a 'b'>]><net/>", "<net><layers><layer/></layers></net>"],
)
def test_an_openvino_file_that_is_none(tmp_path: Path, text: str) -> None:
    (tmp_path / "model.xml").write_text(text)
    with pytest.raises(ArtifactError, match=r"model\.xml"):
        openvino_workload(tmp_path / "model.xml")


def artifact(path: Path) -> Artifact:
    return Artifact(path, "onnx", "c" * 64, 1000, (), ())


def test_a_model_stands_in_and_never_passes(tmp_path: Path) -> None:
    budget = Budget.model_validate({"peak_memory_mb": 1000, "latency_ms": {"p50": 1}})
    seen = {
        "peak_memory_mb": Observation(missing_reason="no clear_refs"),
        "energy_mj": Observation(missing_reason="no sensor"),
        "latency_ms.p50": Observation(missing_reason="too few"),
    }
    found = instead(budget, seen, artifact(conv_onnx(tmp_path / "model.onnx")))
    assert list(found) == ["peak_memory_mb"]
    assert found["peak_memory_mb"].value == pytest.approx((CONV_PEAK + 4 * 8 * 27) / 1e6)
    assert found["peak_memory_mb"].provenance == "modelled"
    assert found["peak_memory_mb"].unmeasured_reason == "no clear_refs"


def test_what_was_measured_is_left_alone(tmp_path: Path) -> None:
    budget = Budget.model_validate({"peak_memory_mb": 1000})
    seen = {"peak_memory_mb": Observation(samples=((1.0,),))}
    assert instead(budget, seen, artifact(tmp_path / "none.onnx")) == {}


def test_a_file_that_can_not_be_read_has_no_model(tmp_path: Path) -> None:
    (tmp_path / "model.onnx").write_bytes(json.dumps({}).encode())
    with pytest.raises(ArtifactError, match="operators can't be read"):
        estimate(artifact(tmp_path / "model.onnx"))
    assert modelled(artifact(tmp_path / "model.onnx"))["energy_mj"].missing_reason
