"""LiteRT's CompiledModel has inputs and outputs in the graph's order, whatever the signature's."""

from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import numpy as np
import pytest
from ai_edge_litert.compiled_model import CompiledModel

from pipeline.package.api.signature import check_signature
from targets.artifact import Artifact, TensorSpec
from targets.errors import ConversionError
from targets.tflite.io import packed

SIZES = (2, 3)


def write(path: Path, order: tuple[int, ...], names: str = "ab") -> Artifact:
    """A net of two inputs, each with its RELU, whose signature has them in the given order."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = schema.BuiltinOperator.RELU
    code.version = 1
    graph = schema.SubGraphT()
    graph.tensors = [tensor(f"{kind}{size}", size) for kind in "xy" for size in SIZES]
    graph.inputs, graph.outputs = [0, 1], [2, 3]
    graph.operators = [operator(0, 2), operator(1, 3)]
    signature = schema.SignatureDefT()
    signature.signatureKey = b"serving_default"
    signature.inputs = [tensor_map(names[index], index) for index in order]
    signature.outputs = [tensor_map(names[index], 2 + index) for index in order]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers, model.signatureDefs = [schema.BufferT()], [signature]
    path.write_bytes(packed(model, 256))
    ends = [
        tuple(TensorSpec(f"{kind}{size}", (1, size), "float32") for size in SIZES) for kind in "xy"
    ]
    return Artifact(path, "tflite", "", 1, *ends)


def tensor(name: str, size: int) -> schema.TensorT:
    made = schema.TensorT()
    made.name, made.shape, made.buffer = name.encode(), [1, size], 0
    made.type = schema.TensorType.FLOAT32
    return made


def operator(entered: int, left: int) -> schema.OperatorT:
    made = schema.OperatorT()
    made.inputs, made.outputs = [entered], [left]
    return made


def tensor_map(name: str, index: int) -> schema.TensorMapT:
    one = schema.TensorMapT()
    one.name, one.tensorIndex = name.encode(), index
    return one


@pytest.mark.parametrize("order", [(0, 1), (1, 0)])
@pytest.mark.parametrize("names", ["ab", "ba"])
def test_the_compiled_model_has_the_graphs_order(order, names: str, tmp_path: Path):
    artifact = write(tmp_path / "model.tflite", order, names)
    check_signature(artifact)
    model = CompiledModel.from_file(str(artifact.path))
    inputs, outputs = model.create_input_buffers(0), model.create_output_buffers(0)
    for index, size in enumerate(SIZES):
        inputs[index].write(np.arange(1, size + 1, dtype=np.float32))
    model.run_by_index(0, inputs, outputs)
    for index, size in enumerate(SIZES):
        assert outputs[index].read(size, np.float32).tolist() == list(range(1, size + 1))


def test_an_input_that_the_signature_lacks_is_refused(tmp_path: Path):
    with pytest.raises(ConversionError, match="the model's signature lacks input 1"):
        check_signature(write(tmp_path / "model.tflite", (0,)))


def test_a_model_without_a_signature_is_taken(tmp_path: Path):
    artifact = write(tmp_path / "model.tflite", (0, 1))
    model = schema.ModelT.InitFromPackedBuf(artifact.path.read_bytes(), 0)
    model.signatureDefs = None
    artifact.path.write_bytes(packed(model, 256))
    check_signature(artifact)
