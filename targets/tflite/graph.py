"""What a .tflite file asks of a device, by its flatbuffer (tensorflow/lite/schema/schema.fbs)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema

from targets.workload import Operator, Tensor, Workload, elements

_BITS = {"FLOAT16": 16, "INT16": 16, "UINT16": 16, "INT8": 8, "UINT8": 8, "BOOL": 8, "INT4": 4,
         "INT64": 64, "UINT64": 64, "FLOAT64": 64, "COMPLEX64": 64}  # fmt: skip
_TYPES = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}


def workload(path: Path) -> Workload:
    """The first subgraph's operators. Raises what flatbuffers raises for a file that is none."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    filled = [buffer.data is not None and len(buffer.data) > 0 for buffer in model.buffers]
    tensors = {
        str(i): Tensor(_bytes(one), filled[one.buffer]) for i, one in enumerate(graph.tensors)
    }
    codes = [_code(one) for one in model.operatorCodes]
    operators = tuple(
        _operator(codes[one.opcodeIndex], one, graph.tensors) for one in graph.operators
    )
    return Workload(tensors, operators, _names(graph.inputs), _names(graph.outputs))


def _code(code: schema.OperatorCodeT) -> str:
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    return str(_OPERATORS.get(number, "CUSTOM"))


def _operator(kind: str, one: schema.OperatorT, tensors: Sequence[schema.TensorT]) -> Operator:
    read = [tensors[i] for i in one.inputs if i >= 0]
    count = _MACS.get(kind)
    macs = count(read, tensors[one.outputs[0]]) if count and len(read) > 1 else 0
    integer = bool(read) and _TYPES[read[0].type] in ("INT8", "UINT8", "INT16")
    return Operator(kind, _names(one.inputs), _names(one.outputs), macs, integer)


def _names(indices: Sequence[int]) -> tuple[str, ...]:
    return tuple(str(i) for i in indices if i >= 0)


def _bytes(tensor: schema.TensorT) -> int:
    return -(-elements(_shape(tensor)) * _BITS.get(_TYPES[tensor.type], 32) // 8)


def _shape(tensor: schema.TensorT) -> list[int]:
    return [] if tensor.shape is None else [int(size) for size in tensor.shape]


def _per_output(read: Sequence[schema.TensorT], written: schema.TensorT) -> int:
    """Weights [out, ..., in]: every output number takes one filter."""
    return elements(_shape(written)) * elements(_shape(read[1])[1:])


def _depthwise(read: Sequence[schema.TensorT], written: schema.TensorT) -> int:
    """Weights [1, height, width, channels]."""
    return elements(_shape(written)) * elements(_shape(read[1])[:-1])


def _transposed(read: Sequence[schema.TensorT], _: schema.TensorT) -> int:
    """Output shape, weights [out, height, width, in], input: every input number meets them."""
    weights = _shape(read[1])
    return elements(_shape(read[2])) * elements(weights[:-1]) if len(read) > 2 else 0


def _matmul(read: Sequence[schema.TensorT], written: schema.TensorT) -> int:
    return elements(_shape(written)) * max(1, _shape(read[0])[-1])


_MACS: Mapping[str, Callable[[Sequence[schema.TensorT], schema.TensorT], int]] = {
    "CONV_2D": _per_output,
    "CONV_3D": _matmul,
    "FULLY_CONNECTED": _per_output,
    "DEPTHWISE_CONV_2D": _depthwise,
    "TRANSPOSE_CONV": _transposed,
    "BATCH_MATMUL": _matmul,
}
