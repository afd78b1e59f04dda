"""What an OpenVINO .xml asks of a device, by its layers, ports and edges."""

from pathlib import Path
from xml.etree.ElementTree import Element, ParseError, fromstring

from targets.errors import ArtifactError
from targets.workload import Operator, Tensor, Workload, elements

_BITS = {"FP16": 16, "BF16": 16, "I16": 16, "U16": 16, "I8": 8, "U8": 8, "BOOL": 8, "BOOLEAN": 8,
         "I4": 4, "U4": 4, "I64": 64, "U64": 64, "FP64": 64}  # fmt: skip
_WEIGHT_AXES = {"Convolution": 1, "GroupConvolution": 2}
"""How many leading axes of the weights an output number does not multiply with."""
_SOURCES, _SINKS = ("Parameter",), ("Result",)


def workload(path: Path) -> Workload:
    """The layers in the order of the file. Raises ArtifactError for a file that is none."""
    try:
        text = path.read_text(encoding="utf-8")
        if "<!DOCTYPE" in text or "<!ENTITY" in text:
            raise ArtifactError(f"{path}: an OpenVINO model declares no document type")
        return _workload(fromstring(text))  # noqa: S314 - without entities nothing can grow
    except (ParseError, UnicodeDecodeError, KeyError, ValueError) as error:
        raise ArtifactError(f"{path}: the layers can't be read: {error}") from error


def _workload(net: Element) -> Workload:
    layers = {layer.attrib["id"]: layer for layer in net.iterfind("layers/layer")}
    fed: dict[str, list[str]] = {name: [] for name in layers}
    for edge in net.iterfind("edges/edge"):
        source = f"{edge.attrib['from-layer']}:{edge.attrib['from-port']}"
        fed[edge.attrib["to-layer"]].append(source)
    tensors = {
        f"{name}:{port.attrib['id']}": Tensor(_bytes(port), layer.attrib["type"] == "Const")
        for name, layer in layers.items()
        for port in layer.iterfind("output/port")
    }
    return Workload(
        tensors,
        tuple(_operator(name, one, fed[name]) for name, one in layers.items() if _works(one)),
        tuple(out for name, one in layers.items() if one.attrib["type"] in _SOURCES
              for out in _written(name, one)),
        tuple(source for name, one in layers.items() if one.attrib["type"] in _SINKS
              for source in fed[name]),
    )  # fmt: skip


def _works(layer: Element) -> bool:
    return layer.attrib["type"] not in ("Const", *_SOURCES, *_SINKS)


def _written(name: str, layer: Element) -> tuple[str, ...]:
    return tuple(f"{name}:{port.attrib['id']}" for port in layer.iterfind("output/port"))


def _operator(name: str, layer: Element, fed: list[str]) -> Operator:
    return Operator(layer.attrib["type"], tuple(fed), _written(name, layer), _macs(layer))


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
