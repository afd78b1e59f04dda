"""One small model for each runtime, with the golden vectors that the runtime gives on the desk."""

from collections.abc import Callable
from dataclasses import replace
from importlib import import_module
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import flatbuffers
import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import BuiltinOperator, TensorType

from pipeline.package.archive import slug
from pipeline.package.contents import Delivery, Notes
from pipeline.package.golden import Golden
from pipeline.package.interface import described
from pipeline.package.linux.build import build
from pipeline.report.document import MeasurementSummary, RowVerdict
from targets.artifact import Artifact, digest, files_of, format_of

SHAPE = (1, 4)
FILES = {"onnxruntime": "model.onnx", "openvino": "model.xml", "tflite": "model.tflite"}


def write_onnx(path: Path) -> None:
    import onnx
    from onnx import TensorProto, helper

    ends = [helper.make_tensor_value_info(name, TensorProto.INT8, SHAPE) for name in ("x", "y")]
    constants = [
        helper.make_tensor("scale", TensorProto.FLOAT, [], [0.05]),
        helper.make_tensor("zero", TensorProto.INT8, [], [-3]),
    ]
    nodes = [
        helper.make_node("DequantizeLinear", ["x", "scale", "zero"], ["real"]),
        helper.make_node("Relu", ["real"], ["positive"]),
        helper.make_node("QuantizeLinear", ["positive", "scale", "zero"], ["y"]),
    ]
    graph = helper.make_graph(nodes, "relu", ends[:1], ends[1:], constants)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


def write_openvino(path: Path) -> None:
    import openvino as ov
    from openvino import opset13 as ops

    x = ops.parameter(SHAPE, np.float32, name="x")
    weights = np.linspace(-1, 1, 12, dtype=np.float32).reshape(4, 3)
    y = ops.relu(ops.matmul(x, ops.constant(weights), False, False))
    ov.save_model(ov.Model([y], [x], "net"), path, compress_to_fp16=False)


def write_tflite(
    path: Path, operator: int = BuiltinOperator.RELU, kind: int = TensorType.INT8
) -> Path:
    """A net y = operator(x) of four numbers."""
    code = schema.OperatorCodeT()
    code.builtinCode = code.deprecatedBuiltinCode = operator
    code.version = 1
    node = schema.OperatorT()
    node.inputs, node.outputs = [0], [1]
    graph = schema.SubGraphT()
    graph.tensors = [tflite_tensor(name, kind) for name in (b"x", b"y")]
    graph.inputs, graph.outputs, graph.operators = [0], [1], [node]
    model = schema.ModelT()
    model.version, model.operatorCodes, model.subgraphs = 3, [code], [graph]
    model.buffers = [schema.BufferT()]
    builder = flatbuffers.Builder(1024)
    builder.Finish(model.Pack(builder), b"TFL3")
    path.write_bytes(bytes(builder.Output()))
    return path


def tflite_tensor(name: bytes, kind: int):
    quantization = schema.QuantizationParametersT()
    quantization.scale, quantization.zeroPoint = [0.05], [-3]
    tensor = schema.TensorT()
    tensor.name, tensor.shape, tensor.buffer, tensor.type = name, list(SHAPE), 0, kind
    tensor.quantization = quantization if kind == TensorType.INT8 else None
    return tensor


@pytest.fixture(scope="session")
def writing() -> Callable[..., Path]:
    """Writes a .tflite file of an operator and a type of tensors."""
    return write_tflite


WRITERS = {"onnxruntime": write_onnx, "openvino": write_openvino, "tflite": write_tflite}


@pytest.fixture(scope="session", params=sorted(FILES))
def any_made(request, tmp_path_factory) -> tuple[Artifact, Golden]:
    """An artifact and its golden vectors, for each runtime in turn."""
    return make(request.param, tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="session")
def made(tmp_path_factory) -> tuple[Artifact, Golden]:
    """An ONNX artifact and its golden vectors."""
    return make("onnxruntime", tmp_path_factory.mktemp("one"))


@pytest.fixture(scope="session")
def make_artifact():
    """Makes a runtime's artifact in a folder, with its golden vectors."""
    return make


def make(runtime: str, folder: Path) -> tuple[Artifact, Golden]:
    path = folder / FILES[runtime]
    WRITERS[runtime](path)
    session = import_module(f"targets.{runtime}.session").Session(str(path))
    session.prepare()
    sha256, size_bytes = digest(files_of(path))
    artifact = Artifact(path, format_of(path), sha256, size_bytes, session.inputs, session.outputs)
    if runtime == "onnxruntime":  # an ONNX file does not say how its integers are meant
        artifact = replace(artifact, inputs=meant(artifact.inputs), outputs=meant(artifact.outputs))
    samples = np.random.default_rng(0).normal(size=(8, *SHAPE[1:])).astype(np.float32)
    return artifact, Golden((samples,), (run(session, artifact, samples),))


def meant(specs):
    from targets.artifact import Quantization

    return tuple(replace(spec, quantization=Quantization(0.05, -3)) for spec in specs)


def run(session, artifact: Artifact, samples: np.ndarray) -> np.ndarray:
    rows = []
    for index in range(len(samples)):
        raw = session.invoke([artifact.inputs[0].encode(samples[index : index + 1])])
        rows.append(artifact.outputs[0].decode(np.array(raw[0])))
    return np.concatenate(rows)


@pytest.fixture(scope="session")
def evidence() -> dict:
    """What a package says of its artifact besides the artifact."""
    quantile = dict.fromkeys(("p50", "p90", "p95"), 0.01) | {"p99": {"unavailable": "few samples"}}
    measurement = MeasurementSummary.model_validate(
        {
            "latency_ms": quantile,
            "peak_memory_mb": 1.5,
            "load_ms": 0.4,
            "first_inference_ms": 0.1,
            "energy_mj": {"unavailable": "no meter"},
            "provenance": "measured-on-device",
            "conditions": {"threads": "1"},
            "samples_path": "samples/int8.json",
        }
    )
    line = {
        "limit": "latency_ms.p95",
        "budget": 0.02,
        "observed": 0.01,
        "bound": 0.012,
        "status": "PASS",
        "reason": "5 of 5 processes are within the limit",
        "stated": "40% of dense",
    }
    verdict = RowVerdict.model_validate({"status": "PASS", "lines": [line]})
    return {"measurement": measurement, "verdict": verdict, "lineage": ("dense", "int8")}


def delivered(made: tuple[Artifact, Golden], evidence: dict, **changes) -> Delivery:
    """A delivery of the model `made`, with some of its facts changed."""
    artifact, golden = made
    name = changes.get("name", "digits")
    facts = {
        "name": name,
        "title": f"{slug(name)}-{artifact.runtime}",
        "artifact": artifact,
        "golden": golden,
        "description": "Digits.",
        "notes": Notes(),
        "interface": described(name, artifact),
        **evidence,
    }
    return Delivery(**facts | changes)


def write(archives: dict[str, bytes], folder: Path) -> Path:
    """The first archive, as a file in the folder."""
    name, content = next(iter(archives.items()))
    folder.mkdir(parents=True, exist_ok=True)
    (folder / name).write_bytes(content)
    return folder / name


@pytest.fixture(scope="session")
def deliver(evidence):
    """Makes a delivery of an artifact and its golden vectors; keywords change its facts."""
    return lambda made, **changes: delivered(made, evidence, **changes)


@pytest.fixture
def package(made, deliver, tmp_path: Path) -> Path:
    return write(build(deliver(made), None), tmp_path)
