"""What an .onnx file asks of a device, by its graph and ONNX's shape inference."""

from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from targets.workload import Operator, Tensor, Workload, elements

_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "FusedConv": 1}
"""Where an operator's weights stand among its inputs; they are [out, in / groups, ...]."""
_TRANSPOSED = ("ConvTranspose",)
_PRODUCTS = {"MatMul": 1, "Gemm": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "FusedMatMul": 1}
_INTEGER = ("QLinear", "Integer")


def workload(path: Path) -> Workload:
    """The graph's operators. Raises what onnx raises for a file that is none."""
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path), load_external_data=False))
    graph = model.graph
    constants = {one.name: (list(one.dims), one.data_type) for one in graph.initializer}
    described = [*graph.input, *graph.value_info, *graph.output]
    shapes = {one.name: _described(one) for one in described} | constants
    read = {name for node in graph.node for name in (*node.input, *node.output) if name}
    tensors = {
        name: Tensor(_bytes(*shapes.get(name, ([], onnx.TensorProto.FLOAT))), name in constants)
        for name in read | {one.name for one in (*graph.input, *graph.output)}
    }
    operators = tuple(_operator(node, shapes) for node in graph.node)
    entered = _named(one for one in graph.input if one.name not in constants)
    return Workload(tensors, operators, entered, _named(graph.output))


def _named(values: Iterable[onnx.ValueInfoProto]) -> tuple[str, ...]:
    return tuple(str(one.name) for one in values)


def _described(value: onnx.ValueInfoProto) -> tuple[list[int], int]:
    tensor = value.type.tensor_type
    return [int(size.dim_value) for size in tensor.shape.dim], int(tensor.elem_type)


def _bytes(shape: Sequence[int], kind: int) -> int:
    try:
        itemsize = int(np.dtype(helper.tensor_dtype_to_np_dtype(kind)).itemsize)
    except (KeyError, TypeError):
        itemsize = 4
    return elements(shape) * itemsize


def _operator(node: onnx.NodeProto, shapes: Mapping[str, tuple[list[int], int]]) -> Operator:
    read, written = tuple(filter(None, node.input)), tuple(filter(None, node.output))
    integer = any(part in node.op_type for part in _INTEGER)
    return Operator(node.op_type, read, written, _macs(node, shapes), integer)


def _macs(node: onnx.NodeProto, shapes: Mapping[str, tuple[list[int], int]]) -> int:
    def shape(name: str) -> list[int]:
        return shapes.get(name, ([], 0))[0]

    kind = node.op_type
    if kind in _CONVOLUTIONS:
        return elements(shape(node.output[0])) * elements(
            shape(node.input[_CONVOLUTIONS[kind]])[1:]
        )
    if kind in _TRANSPOSED:
        return elements(shape(node.input[0])) * elements(shape(node.input[1])[1:])
    if kind in _PRODUCTS:
        inner = shape(node.input[0])[-1:]
        return elements(shape(node.output[0])) * elements(inner)
    return 0
