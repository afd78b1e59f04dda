"""What a .tflite file holds that a microcontroller cares for (tensorflow/lite/schema/schema.fbs).

The parser is Python's, but the file may be anybody's: called in the interpreter's process only.
"""

from dataclasses import dataclass

import ai_edge_litert.schema_py_generated as schema

_TYPES = {value: name for name, value in vars(schema.TensorType).items() if name.isupper()}
_OPERATORS = {value: name for name, value in vars(schema.BuiltinOperator).items() if name.isupper()}
_FLOATING = ("FLOAT16", "FLOAT32", "FLOAT64", "BFLOAT16")


@dataclass(frozen=True)
class ModelFile:
    """The facts of all subgraphs, in the file's order.

    Attributes:
        operators: each kind once, by the schema's name; "CUSTOM name" for one that it lacks.
        inputs, outputs: the types of the model's ends, such as "INT8".
        floats: names of the tensors of floating-point numbers.
        dynamic: names of the tensors whose shape is known only when the model runs.
    """

    operators: tuple[str, ...]
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    floats: tuple[str, ...]
    dynamic: tuple[str, ...]


def read(content: bytes) -> ModelFile:
    """The facts of a file. Raises what flatbuffers raises for one that is none."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    kinds = [_kind(one) for one in model.operatorCodes]
    used = [kinds[one.opcodeIndex] for graph in model.subgraphs for one in graph.operators or ()]
    tensors = [one for graph in model.subgraphs for one in graph.tensors]
    main = model.subgraphs[0]
    return ModelFile(
        operators=tuple(dict.fromkeys(used)),
        inputs=tuple(_TYPES[main.tensors[i].type] for i in main.inputs),
        outputs=tuple(_TYPES[main.tensors[i].type] for i in main.outputs),
        floats=tuple(_name(one) for one in tensors if _TYPES[one.type] in _FLOATING),
        dynamic=tuple(_name(one) for one in tensors if _symbolic(one)),
    )


def _kind(code: schema.OperatorCodeT) -> str:
    number = max(code.builtinCode, code.deprecatedBuiltinCode)
    known = str(_OPERATORS.get(number, f"BUILTIN {number}"))
    return known if known != "CUSTOM" else f"CUSTOM {_text(code.customCode)}"


def _name(tensor: schema.TensorT) -> str:
    return _text(tensor.name)


def _text(raw: bytes | None) -> str:
    return (raw or b"").decode(errors="replace")


def _symbolic(tensor: schema.TensorT) -> bool:
    signature = tensor.shapeSignature
    return signature is not None and any(int(size) < 0 for size in signature)
