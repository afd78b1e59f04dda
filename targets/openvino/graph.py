"""What an OpenVINO .xml asks of a device, by its layers, ports and edges."""

import struct
from dataclasses import replace
from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from targets.errors import ArtifactError
from targets.workload import Operator, Tensor, Workload, elements

_BITS = {"FP16": 16, "BF16": 16, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8, "BOOLEAN": 8,
         "I4": 4, "U4": 4, "I64": 64, "U64": 64, "FP64": 64}  # fmt: skip
_WEIGHT_AXES = {"Convolution": 1, "GroupConvolution": 2}
"""How many leading axes of the weights an output number does not multiply with."""
_SOURCES, _SINKS = ("Parameter",), ("Result",)
_DTYPES = {"FP32": "float32", "FP16": "float16", "BF16": "bfloat16", "FP64": "float64",
           "BOOL": "bool", "BOOLEAN": "bool"}  # fmt: skip
_INTEGERS = {"I": "int", "U": "uint"}
_AXES = {"i64": "q", "i32": "i"}
"""How struct reads the order of a transpose."""
_MOST_AXES = 16


def workload(path: Path) -> Workload:
    """The layers in the order of the file. Raises ArtifactError for a file that is none."""
    try:
        text = path.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ArtifactError(f"{path}: an OpenVINO model declares no document type")
        net = fromstring(text)  # noqa: S314 - without entities nothing can grow
        return _workload(net, path.with_suffix(".bin"))
    except (ParseError, UnicodeDecodeError, KeyError, ValueError, struct.error) as error:
        raise ArtifactError(f"{path}: the layers can't be read: {error}") from error


def _workload(net: Element, constants: Path) -> Workload:
    layers = {layer.attrib["id"]: layer for layer in net.iterfind("layers/layer")}
    fed: dict[str, list[str]] = {name: [] for name in layers}
    for edge in net.iterfind("edges/edge"):
        source = f"{edge.attrib['from-layer']}:{edge.attrib['from-port']}"
        fed[edge.attrib["to-layer"]].append(source)
    tensors = {
        f"{name}:{port.attrib['id']}": _tensor(layer, port)
        for name, layer in layers.items()
        for port in layer.iterfind("output/port")
    }
    return Workload(
        tensors,
        tuple(
            replace(
                _operator(name, one, fed[name]),
                permutation=_permutation(one, fed[name], layers, constants),
            )
            for name, one in layers.items()
            if _works(one)
        ),
        tuple(out for name, one in layers.items() if one.attrib["type"] in _SOURCES
              for out in _written(name, one)),
        tuple(source for name, one in layers.items() if one.attrib["type"] in _SINKS
              for source in fed[name]),
        ir_version=int(net.attrib.get("version", 0)),
    )  # fmt: skip


def _works(layer: Element) -> bool:
    return layer.attrib["type"] not in ("Const", *_SOURCES, *_SINKS)


def _written(name: str, layer: Element) -> tuple[str, ...]:
    return tuple(f"{name}:{port.attrib['id']}" for port in layer.iterfind("output/port"))


def _tensor(layer: Element, port: Element) -> Tensor:
    """A port that leaves a layer; a parameter's is called as the port is, another as its layer."""
    named = port.attrib.get("names", "").split(",")[0]
    return Tensor(
        _bytes(port),
        layer.attrib["type"] == "Const",
        name=named or layer.attrib.get("name", ""),
        shape=tuple(_shape(port)),
        dtype=_dtype(port.attrib["precision"]),
    )


def _dtype(precision: str) -> str:
    """OpenVINO's word for a type in a file, in numpy's terms."""
    letter, digits = precision[:1], precision[1:]
    whole = f"{_INTEGERS[letter]}{digits}" if letter in _INTEGERS else precision.lower()
    return _DTYPES.get(precision, whole)


def _operator(name: str, layer: Element, fed: list[str]) -> Operator:
    defined = layer.attrib.get("version", "")
    return Operator(
        type=layer.attrib["type"],
        inputs=tuple(fed),
        outputs=_written(name, layer),
        macs=_macs(layer),
        name=layer.attrib.get("name", ""),
        domain="" if defined.startswith("opset") else defined,
    )


def _permutation(
    layer: Element, fed: list[str], layers: dict[str, Element], constants: Path
) -> tuple[int, ...]:
    """The order of axes that a transpose gives, where the file holds it."""
    if layer.attrib["type"] != "Transpose" or len(fed) < 2:
        return ()
    data = layers[fed[1].partition(":")[0]].find("data")
    told = {} if data is None else data.attrib
    letter = _AXES.get(told.get("element_type", ""))
    size = int(told.get("size", 0))
    if letter is None or not 0 < size <= _MOST_AXES * struct.calcsize(letter):
        return ()
    with constants.open("rb") as file:
        file.seek(int(told["offset"]))
        return struct.unpack(f"<{size // struct.calcsize(f'<{letter}')}{letter}", file.read(size))


def _macs(layer: Element) -> int:
    kind = layer.attrib["type"]
    read = [_shape(port) for port in layer.iterfind("input/port")]
    written = [_shape(port) for port in layer.iterfind("output/port")]
    if kind in _WEIGHT_AXES:
        return elements(written[0]) * elements(read[1][_WEIGHT_AXES[kind] :])
    if kind != "MatMul":
        return 0
    data = layer.find("data")
    turned = data is not None and data.attrib.get("transpose_a") == "true"
    return elements(written[0]) * elements(read[0][-2 if turned else -1 :][:1])


def _shape(port: Element) -> list[int]:
    return [int(size.text or 1) for size in port.iterfind("dim")]


def _bytes(port: Element) -> int:
    return -(-elements(_shape(port)) * _BITS.get(port.attrib["precision"], 32) // 8)
