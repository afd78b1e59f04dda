"""Ways to damage a model that leave its file well-formed: sizes, indices, names and counts lie.

Bytes changed by chance are mostly refused by a format's own checks; these get past them.
"""

import random
import re
from collections.abc import Callable

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import onnx

SIZES = (0, 1, 2, 3, 7, 255, 65_536, 2**31 - 1, 50_000, 2**24)
LARGE = (*SIZES, -1, -(2**31), 2**40, 2**62)
FLOATS = (0.0, -1.0, 1e-38, 3e38, float("inf"), float("nan"))
Damage = Callable[[bytes, random.Random], bytes]


def tflite(content: bytes, generator: random.Random) -> bytes:
    """A .tflite with a fact of a tensor, an operator or a buffer changed."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    for _ in range(generator.choice((1, 1, 2))):
        tensor, operator = generator.choice(graph.tensors), generator.choice(graph.operators)
        generator.choice((_tensor, _operator, _buffer, _ends))(model, tensor, operator, generator)
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), b"TFL3")
    return bytes(builder.Output())


def _tensor(model: schema.ModelT, tensor: schema.TensorT, _: object, one: random.Random) -> None:
    shape = [] if tensor.shape is None else list(tensor.shape)
    quantization = tensor.quantization
    match one.randrange(4):
        case 0 if shape:
            shape[one.randrange(len(shape))] = one.choice(SIZES)
            tensor.shape = shape
        case 1:
            tensor.type = one.randrange(18)
        case 2 if quantization is not None and quantization.scale is not None:
            quantization.scale = [one.choice(FLOATS) for _ in quantization.scale]
        case _:
            tensor.buffer = one.randrange(len(model.buffers) + 2)


def _operator(
    model: schema.ModelT, _: object, operator: schema.OperatorT, one: random.Random
) -> None:
    match one.randrange(4):
        case 0:
            operator.inputs = [one.randrange(-1, 40) for _ in operator.inputs]
        case 1:
            operator.inputs = list(operator.inputs)[: one.randrange(3)]
        case 2:
            code = model.operatorCodes[operator.opcodeIndex]
            code.builtinCode = one.randrange(200)
            code.deprecatedBuiltinCode = min(127, code.builtinCode)
        case _ if operator.builtinOptions is not None:
            facts = [name for name, value in vars(operator.builtinOptions).items()
                     if isinstance(value, int)]  # fmt: skip
            if facts:
                setattr(operator.builtinOptions, one.choice(facts), one.choice(SIZES[:6]))


def _buffer(model: schema.ModelT, tensor: schema.TensorT, _: object, one: random.Random) -> None:
    buffer = model.buffers[tensor.buffer]
    if buffer.data is not None:
        buffer.data = bytes(buffer.data)[: one.choice((0, 1, 3, 17))]


def _ends(model: schema.ModelT, _: object, __: object, one: random.Random) -> None:
    graph = model.subgraphs[0]
    if one.random() < 0.5:
        graph.outputs = [one.randrange(40) for _ in range(one.randrange(3))]
    else:
        graph.inputs = [one.randrange(40) for _ in range(one.randrange(3))]


def onnx_model(content: bytes, generator: random.Random) -> bytes:
    """An .onnx with a size, a name or an attribute of its graph changed."""
    model = onnx.load_from_string(content)
    for _ in range(generator.choice((1, 1, 2))):
        generator.choice((_weights, _node, _node, _value))(model.graph, generator)
    return model.SerializeToString()


def _weights(graph: onnx.GraphProto, one: random.Random) -> None:
    tensor = one.choice(graph.initializer)
    match one.randrange(4):
        case 0 if tensor.dims:
            tensor.dims[one.randrange(len(tensor.dims))] = one.choice(LARGE)
        case 1:
            tensor.data_type = one.randrange(24)
        case 2 if tensor.external_data:
            tensor.external_data[one.randrange(len(tensor.external_data))].value = one.choice(
                ("-1", "99999999999", "../../etc/passwd", "/etc/passwd", "", "large.onnx", "0")
            )
        case _:
            tensor.raw_data = tensor.raw_data[: one.choice((0, 1, 5))]


def _node(graph: onnx.GraphProto, one: random.Random) -> None:
    node = one.choice(graph.node)
    numbers = [each for each in node.attribute if each.ints]
    match one.randrange(5):
        case 0 if numbers:
            attribute = one.choice(numbers)
            attribute.ints[one.randrange(len(attribute.ints))] = one.choice(LARGE)
        case 1:
            node.op_type = one.choice(
                ("Reshape", "Tile", "Loop", "ConstantOfShape", "Resize", "If")
            )
        case 2 if node.input:
            node.input[one.randrange(len(node.input))] = one.choice(graph.node).output[0]
        case 3:
            node.domain = one.choice(("", "com.microsoft", "elsewhere"))
        case _:
            del node.input[one.randrange(len(node.input) + 1) :]


def _value(graph: onnx.GraphProto, one: random.Random) -> None:
    ends = [*graph.input, *graph.output]
    sizes = one.choice(ends).type.tensor_type.shape.dim
    match one.randrange(3):
        case 0 if sizes:
            sizes[one.randrange(len(sizes))].dim_value = one.choice(LARGE)
        case 1 if sizes:
            sizes[one.randrange(len(sizes))].dim_param = "n"
        case _:
            del graph.output[:]


_QUOTED = re.compile(rb'"[^"<>&]{0,200}"')
_TEXT = (b'"0"', b'"-1"', b'"1"', b'"2147483648"', b'"50000,50000,4"', b'""', b'"?"', b'"f32"',
         b'"i64"', b'"Reshape"', b'"TensorIterator"', b'"Loop"')  # fmt: skip


def xml(content: bytes, generator: random.Random) -> bytes:
    """An OpenVINO .xml with the value of an attribute changed, or a size."""
    for _ in range(generator.choice((1, 1, 2, 3))):
        if generator.random() < 0.5:
            content = _replaced(_QUOTED, content, generator.choice(_TEXT), generator)
        else:
            size = str(generator.choice(LARGE)).encode()
            content = _replaced(re.compile(rb"(?<=<dim>)-?\d+"), content, size, generator)
    return content


def _replaced(
    pattern: re.Pattern[bytes], content: bytes, text: bytes, generator: random.Random
) -> bytes:
    found = list(pattern.finditer(content))
    if not found:
        return content
    one = generator.choice(found)
    return content[: one.start()] + text + content[one.end() :]


DAMAGES: dict[str, Damage] = {".tflite": tflite, ".onnx": onnx_model, ".xml": xml}
