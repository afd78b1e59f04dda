"""int8 activations rewritten as uint8 compute the same."""

import numpy as np
import onnx
import onnxruntime as ort
import pytest
from onnx import TensorProto, helper, numpy_helper

from targets.onnxruntime.pooling import name_global_pooling
from targets.onnxruntime.strip import strip
from targets.onnxruntime.uint8 import to_uint8

SCALE, WEIGHT_SCALE = 1 / 32, 1 / 128


def quantized(weights: np.ndarray, zero_point: int) -> onnx.ModelProto:
    """x -> Q -> DQ -> Conv with DQ weights -> Q -> DQ -> y, all int8."""
    constants = {
        "scale": np.float32(SCALE),
        "zero": np.int8(zero_point),
        "weight_scale": np.float32(WEIGHT_SCALE),
        "weight_zero": np.int8(0),
        "weights": weights,
        "unread": np.zeros(100, np.float32),
    }
    nodes = [
        helper.make_node("QuantizeLinear", ["x", "scale", "zero"], ["xq"]),
        helper.make_node("DequantizeLinear", ["xq", "scale", "zero"], ["xd"]),
        helper.make_node("DequantizeLinear", ["weights", "weight_scale", "weight_zero"], ["w"]),
        helper.make_node("Conv", ["xd", "w"], ["c"]),
        helper.make_node("QuantizeLinear", ["c", "scale", "zero"], ["yq"]),
        helper.make_node("DequantizeLinear", ["yq", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 6, 6])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3, 4, 4])],
        [numpy_helper.from_array(np.asarray(value), name) for name, value in constants.items()],
    )
    opset = [helper.make_opsetid("", 20)]
    return helper.make_model(graph, opset_imports=opset, ir_version=10)


def run(model: onnx.ModelProto, x: np.ndarray) -> np.ndarray:
    options = ort.SessionOptions()
    options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_DISABLE_ALL
    session = ort.InferenceSession(model.SerializeToString(), options)
    return session.run(None, {"x": x})[0]


@pytest.mark.parametrize("zero_point", [-128, -3, 0, 127])
def test_no_value_changes(zero_point: int) -> None:
    draw = np.random.default_rng(zero_point + 128)
    model = quantized(draw.integers(-127, 128, (3, 2, 3, 3)).astype(np.int8), zero_point)
    x = draw.normal(size=(1, 2, 6, 6)).astype(np.float32)
    before = run(model, x)
    assert to_uint8(model) == 4
    onnx.checker.check_model(model, full_check=True)
    np.testing.assert_array_equal(run(model, x), before)
    assert to_uint8(model) == 0


def test_weights_stay_int8() -> None:
    model = quantized(np.ones((3, 2, 3, 3), np.int8), -128)
    to_uint8(model)
    dtypes = {each.name: each.data_type for each in model.graph.initializer}
    assert dtypes["weights"] == dtypes["weight_zero"] == TensorProto.INT8
    assert dtypes["zero_uint8"] == TensorProto.UINT8
    assert "zero" not in dtypes


def test_stripping_keeps_what_runs() -> None:
    model = quantized(np.ones((3, 2, 3, 3), np.int8), 0)
    model.doc_string = "made in /somewhere"
    model.graph.node[0].doc_string = "line 3"
    entry = model.graph.node[0].metadata_props.add()
    entry.key, entry.value = "stack_trace", "/somewhere/net.py"
    x = np.ones((1, 2, 6, 6), np.float32)
    before = run(model, x)
    content = strip(model).SerializeToString()
    assert b"/somewhere" not in content
    assert b"unread" not in content
    np.testing.assert_array_equal(run(model, x), before)


@pytest.mark.parametrize(
    ("axes", "keepdims", "rank", "renamed"),
    [
        ([-1, -2], 1, 4, True),
        ([2, 3], 1, 4, True),
        ([2, 3], 0, 4, True),
        ([1, 2], 1, 4, False),
        ([-1, -2], 1, 3, False),
    ],
)
def test_a_mean_over_an_image_is_global_pooling(axes, keepdims, rank, renamed) -> None:
    shape = [1, 3, 4, 5][:rank]
    nodes = [
        helper.make_node("Relu", ["x"], ["r"]),
        helper.make_node("ReduceMean", ["r", "axes"], ["y"], keepdims=keepdims),
    ]
    graph = helper.make_graph(
        nodes,
        "g",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, shape)],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, None)],
        [numpy_helper.from_array(np.array(axes, np.int64), "axes")],
        value_info=[helper.make_tensor_value_info("r", TensorProto.FLOAT, shape)],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=10)
    x = np.random.default_rng(0).normal(size=shape).astype(np.float32)
    before = run(model, x)
    name_global_pooling(model)
    assert (model.graph.node[1].op_type == "GlobalAveragePool") is renamed
    # A mean of 20 values of order 1: 20 * 2^-24 of rounding.
    np.testing.assert_allclose(run(model, x), before, atol=2e-6)
