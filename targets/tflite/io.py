"""Gives a full-integer .tflite float32 inputs and outputs.

The graph inside stays as it is: a QUANTIZE goes before each input and a DEQUANTIZE behind each
output, which the delegate runs with the rest.
"""

from collections.abc import Callable

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

IDENTIFIER = b"TFL3"
VERSIONS = {"QUANTIZE": 1, "DEQUANTIZE": 2}
"""Of the operators between float32 and int8."""


def with_float_io(content: bytes) -> bytes:
    """The file with every int8 input and output as float32. The same bytes give the same bytes."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    entered = _replaced(model, [int(one) for one in graph.inputs], "QUANTIZE")
    left = _replaced(model, [int(one) for one in graph.outputs], "DEQUANTIZE")
    before = [_operator(model, "QUANTIZE", new, old) for old, new in entered.items()]
    after = [_operator(model, "DEQUANTIZE", old, new) for old, new in left.items()]
    graph.operators = [*before, *graph.operators, *after]
    graph.inputs = [entered.get(int(one), int(one)) for one in graph.inputs]
    graph.outputs = [left.get(int(one), int(one)) for one in graph.outputs]
    for signature in model.signatureDefs or []:
        _redirect(signature.inputs, lambda index: entered.get(index, index))
        _redirect(signature.outputs, lambda index: left.get(index, index))
    return packed(model, len(content))


def packed(model: schema.ModelT, size_hint: int) -> bytes:
    """A model as a file's content."""
    builder = flatbuffers.Builder(size_hint)
    builder.Finish(model.Pack(builder), IDENTIFIER)
    return bytes(builder.Output())


def _replaced(model: schema.ModelT, tensors: list[int], kind: str) -> dict[int, int]:
    """New float32 tensors in the place of the int8 ones among these, by their indices.

    A new tensor takes the name that the outside knows.
    """
    graph = model.subgraphs[0]
    found = {}
    for index in dict.fromkeys(tensors):
        old = graph.tensors[index]
        if old.type != schema.TensorType.INT8:
            continue
        new = schema.TensorT()
        new.name, new.shape, new.shapeSignature = old.name, old.shape, old.shapeSignature
        new.type, new.buffer, new.hasRank = schema.TensorType.FLOAT32, 0, old.hasRank
        old.name = old.name + f"_{kind.lower()}".encode()
        graph.tensors.append(new)
        found[index] = len(graph.tensors) - 1
    return found


def _operator(model: schema.ModelT, kind: str, entered: int, left: int) -> schema.OperatorT:
    operator = schema.OperatorT()
    operator.opcodeIndex = _code(model, kind)
    operator.inputs, operator.outputs = [entered], [left]
    options = getattr(schema.BuiltinOptions, f"{kind.title()}Options")
    operator.builtinOptionsType = options
    operator.builtinOptions = getattr(schema, f"{kind.title()}OptionsT")()
    return operator


def _code(model: schema.ModelT, kind: str) -> int:
    """The index of the operator's code, which is added where the model does not have it."""
    number = getattr(schema.BuiltinOperator, kind)
    for index, code in enumerate(model.operatorCodes):
        if code.builtinCode == number and code.version >= VERSIONS[kind]:
            return index
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = number
    code.version = VERSIONS[kind]
    model.operatorCodes.append(code)
    return len(model.operatorCodes) - 1


def _redirect(maps: list[schema.TensorMapT] | None, to: Callable[[int], int]) -> None:
    for one in maps or []:
        one.tensorIndex = to(int(one.tensorIndex))
