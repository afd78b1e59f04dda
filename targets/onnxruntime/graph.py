"""What an .onnx file asks of a device, by its graph and ONNX's shape inference."""

from collections.abc import Iterable, Mapping
from pathlib import Path

import numpy as np
import onnx
from onnx import helper

from targets.onnxruntime.kernels import lacking
from targets.workload import Operator, Tensor, Workload, elements

_CONVOLUTIONS = {"Conv": 1, "ConvInteger": 1, "QLinearConv": 3, "FusedConv": 1}
"""Where an operator's weights stand among its inputs; they are [out, in / groups, ...]."""
_TRANSPOSED = ("ConvTranspose",)
_PRODUCTS = {"MatMul": 1, "Gemm": 1, "MatMulInteger": 1, "QLinearMatMul": 3, "FusedMatMul": 1}
_INTEGER = ("QLinear", "Integer")

Described = tuple[tuple[int, ...] | None, int]
"""A tensor's shape, None where it is unknown, and its type's number."""
Shapes = Mapping[str, Described]
UNKNOWN: Described = (None, int(onnx.TensorProto.FLOAT))
"""What nothing is told of is counted as float32."""


def workload(path: Path) -> Workload:
    """The graph's operators. Raises what onnx raises for a file that is none."""
    model = onnx.shape_inference.infer_shapes(onnx.load(str(path), load_external_data=False))
    graph = model.graph
    constants = {one.name: (tuple(one.dims), one.data_type) for one in graph.initializer}
    described = [*graph.value_info, *graph.input, *graph.output]
    shapes: Shapes = {one.name: _described(one) for one in described} | constants
    read = {name for node in graph.node for name in (*node.input, *node.output) if name}
    tensors = {
        name: _tensor(shapes.get(name, UNKNOWN), constant=name in constants)
        for name in read | {one.name for one in (*graph.input, *graph.output)}
    }
    operators = tuple(_operator(node, shapes) for node in graph.node)
    entered = _named(one for one in graph.input if one.name not in constants)
    return Workload(
        tensors,
        operators,
        entered,
        _named(graph.output),
        opsets={str(one.domain): int(one.version) for one in model.opset_import},
        ir_version=int(model.ir_version),
        missing=lacking(model),
    )


def _named(values: Iterable[onnx.ValueInfoProto]) -> tuple[str, ...]:
    return tuple(str(one.name) for one in values)


def _described(value: onnx.ValueInfoProto) -> Described:
    tensor = value.type.tensor_type
    if not tensor.HasField("shape"):
        return None, int(tensor.elem_type)
    sizes = (int(one.dim_value) if one.HasField("dim_value") else -1 for one in tensor.shape.dim)
    return tuple(sizes), int(tensor.elem_type)


def _tensor(described: Described, *, constant: bool) -> Tensor:
    shape, kind = described
    try:
        dtype = np.dtype(helper.tensor_dtype_to_np_dtype(kind))
    except (KeyError, TypeError):
        dtype = np.dtype(np.float32)
    return Tensor(elements(shape or ()) * dtype.itemsize, constant, shape=shape, dtype=dtype.name)


def _operator(node: onnx.NodeProto, shapes: Shapes) -> Operator:
    read, written = tuple(filter(None, node.input)), tuple(filter(None, node.output))
    return Operator(
        type=node.op_type,
        inputs=read,
        outputs=written,
        macs=_macs(node, shapes),
        integer=any(part in node.op_type for part in _INTEGER),
        name=node.name,
        domain=node.domain,
        permutation=_permutation(node, shapes),
    )


def _permutation(node: onnx.NodeProto, shapes: Shapes) -> tuple[int, ...]:
    """The order of axes that a Transpose gives; without one it reverses them."""
    if node.op_type != "Transpose":
        return ()
    told = next((tuple(one.ints) for one in node.attribute if one.name == "perm"), ())
    shape = shapes.get(node.input[0], (None, 0))[0]
    return told or tuple(reversed(range(len(shape or ()))))


def _macs(node: onnx.NodeProto, shapes: Shapes) -> int:
    def shape(name: str) -> tuple[int, ...]:
        return shapes.get(name, (None, 0))[0] or ()

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
