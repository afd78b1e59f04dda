"""What a .tflite file asks of a device, by its flatbuffer (tensorflow/lite/schema/schema.fbs)."""

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import ai_edge_litert.schema_py_generated as schema
import numpy as np

from targets.workload import Operator, Tensor, Workload, elements

_BITS = {"FLOAT16": 16, "INT16": 16, "UINT16": 16, "INT8": 8, "UINT8": 8, "BOOL": 8, "INT4": 4,
         "INT64": 64, "UINT64": 64, "FLOAT64": 64, "COMPLEX64": 64}  # fmt: skip
_TYPES = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
CUSTOM, UNKNOWN = "CUSTOM", "UNKNOWN"
"""Domains of operators that are not TFLite's own, and that are newer than what reads here."""
Contents = Sequence[Any]
"""Each buffer's bytes, or None."""
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}


def workload(path: Path) -> Workload:
    """The first subgraph's operators. Raises what flatbuffers raises for a file that is none."""
    model = schema.ModelT.InitFromPackedBuf(path.read_bytes(), 0)
    graph = model.subgraphs[0]
    contents = [buffer.data for buffer in model.buffers]
    tensors = {str(i): _tensor(one, contents) for i, one in enumerate(graph.tensors)}
    codes = [_code(one) for one in model.operatorCodes]
    operators = tuple(
        _operator(codes[one.opcodeIndex], one, graph.tensors, contents) for one in graph.operators
    )
    return Workload(tensors, operators, _names(graph.inputs), _names(graph.outputs))


def _tensor(one: schema.TensorT, contents: Contents) -> Tensor:
    data = contents[one.buffer]
    sizes = (
        _shape(one) if one.shapeSignature is None else [int(each) for each in one.shapeSignature]
    )
    return Tensor(
        _bytes(one),
        constant=data is not None and len(data) > 0,
        name=_text(one.name),
        shape=tuple(sizes) or tuple(_shape(one)),
        dtype=_TYPES[one.type].lower(),
    )


def _code(code: schema.OperatorCodeT) -> tuple[str, str]:
    """The kind of an operator, and where it is defined: "" for TFLite itself."""
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    kind = str(_OPERATORS.get(number, f"{UNKNOWN} {number}"))
    if kind != CUSTOM:
        return kind, UNKNOWN if kind.startswith(UNKNOWN) else ""
    return _text(code.customCode) or CUSTOM, CUSTOM


def _operator(
    code: tuple[str, str],
    one: schema.OperatorT,
    tensors: Sequence[schema.TensorT],
    contents: Contents,
) -> Operator:
    kind, domain = code
    read = [tensors[i] for i in _indices(one.inputs)]
    count = _MACS.get(kind)
    written = [tensors[i] for i in _indices(one.outputs)]
    return Operator(
        type=kind,
        inputs=_names(one.inputs),
        outputs=_names(one.outputs),
        macs=count(read, written[0]) if count and len(read) > 1 else 0,
        integer=bool(read) and _TYPES[read[0].type] in ("INT8", "UINT8", "INT16"),
        name=_text(written[0].name).split(";")[0] if written else "",
        domain=domain,
        permutation=_permutation(kind, read, contents),
    )


def _permutation(kind: str, read: Sequence[schema.TensorT], contents: Contents) -> tuple[int, ...]:
    """The order of axes that a transpose gives, where the file holds it."""
    if kind != "TRANSPOSE" or len(read) < 2 or _TYPES[read[1].type] != "INT32":
        return ()
    data = contents[read[1].buffer]
    return () if data is None else tuple(np.frombuffer(bytes(data), "<i4").tolist())


def _indices(told: Sequence[int] | None) -> list[int]:
    return [] if told is None else [int(i) for i in told if i >= 0]


def _names(indices: Sequence[int] | None) -> tuple[str, ...]:
    return tuple(str(i) for i in _indices(indices))


def _text(told: bytes | None) -> str:
    return "" if told is None else told.decode(errors="replace")


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
