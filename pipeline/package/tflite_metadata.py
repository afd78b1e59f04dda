"""TFLite Metadata: what tools for .tflite files read of a model's inputs and outputs.

A flatbuffer of its own (metadata_schema.fbs of tflite-support, identifier M001) in a buffer of the
model that a metadata entry names; labels are files in a .zip behind the model. The fields below are
numbered as in that schema, version 1.1.0.
"""

from collections.abc import Sequence
from dataclasses import dataclass

from ai_edge_litert import schema_py_generated as schema

from pipeline.package.archive import with_files
from pipeline.package.flat_tables import Byte, Floats, Table, Value, Whole
from pipeline.package.flat_tables import packed as packed_tables
from pipeline.package.interface import InputPort, Interface, OutputPort, Port
from pipeline.processing.after import Softmax
from pipeline.processing.before import CenterCrop, Expand, Layout, Normalize, Resize, Scale
from pipeline.processing.sources import Image
from targets.tflite.io import packed

ENTRY, IDENTIFIER, LEAST_PARSER = "TFLITE_METADATA", b"M001", "1.0.0"
FEATURE, IMAGE = Byte(1), Byte(2)
"""Of the union ContentProperties."""
RGB, GRAYSCALE, UNKNOWN = 1, 2, 0
NORMALIZATION = Byte(1)
"""Of the union ProcessUnitOptions."""
AXIS_LABELS = Byte(2)
"""Of AssociatedFileType."""


def with_metadata(content: bytes, name: str, description: str, interface: Interface) -> bytes:
    """The .tflite with metadata: its graph, weights and results stay as they are.

    Args:
        content: a .tflite file.
        name: of the model.
        description: of the model.
        interface: its inputs and outputs, in the file's order.
    """
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    told = packed_tables(_model(name, description, interface), IDENTIFIER)
    buffer = schema.BufferT()
    buffer.data = list(told)
    model.buffers.append(buffer)
    entry = schema.MetadataT()
    entry.name, entry.buffer = ENTRY.encode(), len(model.buffers) - 1
    model.metadata = [*(model.metadata or []), entry]
    whole = packed(model, len(content) + len(told))
    files = {_labels_file(port): "\n".join(_labels(port)).encode() for port in _labelled(interface)}
    return with_files(whole, files) if files else whole


def _model(name: str, description: str, interface: Interface) -> Table:
    graph = Table(
        {
            2: [_tensor(one, _input_content(one), _units(one)) for one in interface.inputs],
            3: [_tensor(one, _content(FEATURE, Table({})), []) for one in interface.outputs],
        }
    )
    return Table({0: name, 1: description, 3: [graph], 7: LEAST_PARSER})


def _tensor(port: Port, content: Table, units: Sequence[Table]) -> Table:
    fields: dict[int, Value] = {0: port.name, 3: content}
    if units:
        fields[4] = units
    if isinstance(port, OutputPort) and _labels(port):
        file = _labels_file(port)
        fields[6] = [Table({0: file, 1: "one name in each line", 2: AXIS_LABELS})]
    return Table(fields)


def _content(kind: Byte, properties: Table) -> Table:
    return Table({0: kind, 1: properties})


def _input_content(port: InputPort) -> Table:
    """An image where the tensor itself is one, as tools expect it: (1, height, width, channels)."""
    source = port.source
    if not isinstance(source, Image) or len(port.shape) != 4 or port.layout != "NHWC":
        return _content(FEATURE, Table({}))
    _, height, width, _ = port.shape
    color = {"rgb": RGB, "gray": GRAYSCALE}.get(source.color, UNKNOWN)
    size = Table({0: Whole(width), 1: Whole(height)})
    return _content(IMAGE, Table({0: Byte(color), 1: size}))


def _units(port: InputPort) -> list[Table]:
    found = normalization(port)
    if found is None:
        return []
    options = Table({0: Floats(found.mean), 1: Floats(found.std)})
    return [Table({0: NORMALIZATION, 1: options})]


@dataclass(frozen=True)
class Normalization:
    """(pixel - mean) / std by channel: all that is computed on an image's pixels, together."""

    mean: tuple[float, ...]
    std: tuple[float, ...]


def normalization(port: InputPort) -> Normalization | None:
    """An image's preprocessing as one normalization; None where it is none."""
    moves = (Resize, CenterCrop, Layout, Expand)
    steps = [one for one in port.preprocess if not isinstance(one, moves)]
    if not isinstance(port.source, Image) or not steps:
        return None
    factors, offsets = [1.0] * port.source.shape[2], [0.0] * port.source.shape[2]
    for one in steps:
        if isinstance(one, Scale):
            offsets = [offset * one.factor + one.offset for offset in offsets]
            factors = [factor * one.factor for factor in factors]
        elif isinstance(one, Normalize):
            mean, std = (_each(numbers, len(factors)) for numbers in (one.mean, one.std))
            offsets = [(o - m) / s for o, m, s in zip(offsets, mean, std, strict=True)]
            factors = [factor / s for factor, s in zip(factors, std, strict=True)]
        else:
            return None
    pairs = list(zip(factors, offsets, strict=True))
    return Normalization(tuple(-o / f for f, o in pairs), tuple(1 / f for f, _ in pairs))


def _each(numbers: tuple[float, ...], channels: int) -> tuple[float, ...]:
    return numbers * channels if len(numbers) == 1 else numbers


def _labelled(interface: Interface) -> list[OutputPort]:
    return [port for port in interface.outputs if _labels(port)]


def _labels(port: OutputPort) -> tuple[str, ...]:
    last = port.postprocess[-1] if port.postprocess else None
    return () if last is None or isinstance(last, Softmax) else last.labels


def _labels_file(port: OutputPort) -> str:
    return f"{port.field}_labels.txt"
