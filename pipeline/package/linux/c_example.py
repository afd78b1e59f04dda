"""An example in C, by the C API of the model's runtime."""

from collections.abc import Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from pipeline.package.api.words import comment
from pipeline.package.contents import Delivery
from pipeline.package.interface import Port
from pipeline.package.linux.shipping import environment
from targets.artifact import TensorSpec

ONNX_TYPES = {
    "float32": "FLOAT",
    "uint8": "UINT8",
    "int8": "INT8",
    "uint16": "UINT16",
    "int16": "INT16",
    "int32": "INT32",
    "int64": "INT64",
    "bool": "BOOL",
    "float16": "FLOAT16",
    "float64": "DOUBLE",
    "uint32": "UINT32",
    "uint64": "UINT64",
}


@dataclass(frozen=True)
class _Api:
    """A runtime's C API: its headers, how it is linked, and where it is found."""

    includes: tuple[str, ...]
    flags: str
    headers: str


APIS: Mapping[str, _Api] = {
    "onnxruntime": _Api(
        ("onnxruntime_c_api.h",),
        "-I ORT/include -L ORT/lib -lonnxruntime",
        "Header and library are in the archives at github.com/microsoft/onnxruntime/releases.",
    ),
    "openvino": _Api(
        ("openvino/c/openvino.h",),
        "-I OV/runtime/include -L OV/runtime/lib/intel64 -lopenvino_c",
        "Header and library are in OpenVINO's archives, or libopenvino-dev of its apt repository.",
    ),
    "tflite": _Api(
        (
            *("litert/c/litert_common.h", "litert/c/litert_compiled_model.h"),
            *("litert/c/litert_environment.h", "litert/c/litert_model.h"),
            *("litert/c/litert_options.h", "litert/c/litert_tensor_buffer.h"),
        ),
        "-I LITERT -L LITERT -lLiteRt",
        "Headers are in github.com/google-ai-edge/LiteRT, libLiteRt.so is in its Python wheel.",
    ),
}


@dataclass(frozen=True)
class _Tensor:
    """An input or output as the template writes it."""

    told: str
    name: str
    golden: str
    golden_type: str
    elements: int
    element_bytes: int
    scale: str
    zero_point: int
    lowest: int
    highest: int
    tolerance: str
    rank: int
    shape: str


def c_example(delivery: Delivery) -> dict[str, bytes]:
    """examples/example.c, by its path: runs the first golden sample and compares."""
    artifact, interface, golden = delivery.artifact, delivery.interface, delivery.golden
    api = APIS[artifact.runtime]
    entries = zip(interface.inputs, artifact.inputs, golden.inputs, strict=True)
    exits = zip(interface.outputs, artifact.outputs, golden.outputs, strict=True)
    allowed = golden.tolerances(artifact)
    facts = {
        "title": delivery.title,
        "model": f"model/model{artifact.path.suffix}",
        "runtime": f"{artifact.runtime}.c.j2",
        "includes": api.includes,
        "flags": api.flags,
        "headers": api.headers,
        "element_types": ", ".join(_onnx_type(one.dtype) for one in artifact.inputs),
        "inputs": [_tensor("input", i, *each) for i, each in enumerate(entries)],
        "outputs": [_tensor("output", i, *each, allowed[i]) for i, each in enumerate(exits)],
    }
    text = environment().get_template("example.c.j2").render(**facts)
    return {"examples/example.c": text.encode()}


def _tensor(
    kind: str, index: int, port: Port, spec: TensorSpec, golden: np.ndarray, allowed: float = 0.0
) -> _Tensor:
    quantization = spec.quantization
    limits = np.iinfo(spec.dtype) if quantization else None
    return _Tensor(
        told=comment(f"{port.field}: {spec.dtype}, {' x '.join(map(str, spec.shape))}"),
        name=c_string(spec.name),
        golden=f"golden/{kind}-{index}.npy",
        golden_type=repr(golden.dtype.newbyteorder("<").str),
        elements=prod(spec.shape),
        element_bytes=np.dtype(spec.dtype).itemsize,
        scale=repr(quantization.scale if quantization else 1.0),
        zero_point=quantization.zero_point if quantization else 0,
        lowest=int(limits.min) if limits else 0,
        highest=int(limits.max) if limits else 0,
        tolerance=repr(allowed),
        rank=len(spec.shape),
        shape=", ".join(map(str, spec.shape)) or "1",
    )


def _onnx_type(dtype: str) -> str:
    return f"ONNX_TENSOR_ELEMENT_DATA_TYPE_{ONNX_TYPES[dtype]}"


def c_string(text: str) -> str:
    """A string literal of C: what is not plain becomes octal, so that nothing of it acts."""
    plain = "".join(
        chr(byte) if 32 <= byte < 127 and chr(byte) not in '"\\?%' else f"\\{byte:03o}"
        for byte in text.encode()
    )
    return f'"{plain}"'
