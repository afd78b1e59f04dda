"""A tensor in a generated API: its types and the calls that make or read it.

An input goes source -> values -> raw, an output raw -> values -> result. Values are float32 where
the tensor is float32 or quantized, and whole numbers or booleans elsewhere; golden vectors are
values. Raw is what the runtime takes or gives.
"""

from dataclasses import dataclass

from pipeline.package.api.language import Language
from pipeline.package.interface import Port
from targets.errors import ConversionError

VALUES = {
    "float32": "float32",
    "int8": "int32",
    "uint8": "int32",
    "int32": "int32",
    "int64": "int64",
    "bool": "bool",
}
"""What a tensor's numbers are in an API, where it has no scale."""


@dataclass(frozen=True)
class _Tensor:
    """What the templates write of inputs and outputs alike.

    Attributes:
        field: its name.
        told: what an app hands over or gets, in one line.
        values: the type of what the golden vectors hold.
        raw: the type of what the runtime takes or gives.
        dtype: of the tensor.
        name: of the tensor, as the runtime knows it.
        shape: of the tensor, with the batch.
        constants: what the calls use, by name, made once.
    """

    field: str
    told: str
    values: str
    raw: str
    dtype: str
    name: str
    shape: tuple[int, ...]
    constants: dict[str, str]


@dataclass(frozen=True)
class Input(_Tensor):
    """An input as the templates write it.

    Attributes:
        source: the type of what an app hands over.
        prepare: the values of the source, which is called as the field.
        encode: raw of the values, which are called as the field.
    """

    source: str
    prepare: str
    encode: str


@dataclass(frozen=True)
class Output(_Tensor):
    """An output as the templates write it.

    Attributes:
        result: the type of what an app gets; None where another output's boxes use it up.
        decode: values of `raw`, whose fields are the outputs.
        finish: the result of the values, which are fields of `values`.
        labels: names of classes.
        anchors: numbers of boxes to decode, four by four.
    """

    result: str | None
    decode: str
    finish: str
    labels: tuple[str, ...] | None = None
    anchors: tuple[float, ...] | None = None


def values_of(port: Port) -> str:
    """The dtype of a tensor's values.

    Raises ConversionError for a tensor that no generated API can carry.
    """
    if port.dtype not in VALUES or (port.scale is not None and port.dtype not in ("int8", "uint8")):
        kind = "quantized " if port.scale is not None else ""
        raise ConversionError(
            f"'{port.name}' is {kind}{port.dtype}; a generated API can carry "
            f"{', '.join(VALUES)}, and int8 or uint8 where quantized: export with io: float32"
        )
    return "float32" if port.scale is not None else VALUES[port.dtype]


def encoded(port: Port, language: Language) -> str:
    """The call that makes raw of values."""
    if port.scale is not None:
        return f"{port.dtype}Of({port.field}, {language.float32(port.scale)}, {port.zero_point})"
    return f"{port.dtype}Bytes({port.field})" if port.dtype in ("int8", "uint8") else port.field


def decoded(port: Port, language: Language) -> str:
    """The call that makes values of raw."""
    if port.scale is not None:
        scale = language.float64(port.scale)
        return f"{port.dtype}Values(raw.{port.field}, {scale}, {port.zero_point})"
    raw = f"raw.{port.field}"
    return f"{port.dtype}Numbers({raw})" if port.dtype in ("int8", "uint8") else raw
