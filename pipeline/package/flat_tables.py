"""Flatbuffer tables of a schema that there is no generated code for."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from flatbuffers import Builder


@dataclass(frozen=True)
class Byte:
    """An enumeration's value, or a union's kind."""

    value: int


@dataclass(frozen=True)
class Whole:
    """An unsigned number of 32 bits."""

    value: int


@dataclass(frozen=True)
class Floats:
    """A vector of float32."""

    values: Sequence[float]


@dataclass(frozen=True)
class Table:
    """A table: values by the number of their field in the schema, counted from 0."""

    fields: Mapping[int, "Value"]


Value = Byte | Whole | Floats | str | Table | Sequence[Table]


def packed(root: Table, identifier: bytes) -> bytes:
    """A flatbuffer of one root table. The same table gives the same bytes.

    Args:
        root: the table.
        identifier: four bytes.
    """
    builder = Builder(1024)
    builder.Finish(_table(builder, root), identifier)
    return bytes(builder.Output())


def _table(builder: Builder, table: Table) -> int:
    """Its offset; what it refers to is written before it."""
    places = {
        field: _reference(builder, value)
        for field, value in table.fields.items()
        if not isinstance(value, Byte | Whole)
    }
    builder.StartObject(max(table.fields, default=-1) + 1)
    for field, value in table.fields.items():
        if isinstance(value, Byte):
            builder.PrependUint8Slot(field, value.value, 0)
        elif isinstance(value, Whole):
            builder.PrependUint32Slot(field, value.value, 0)
        else:
            builder.PrependUOffsetTRelativeSlot(field, places[field], 0)
    return int(builder.EndObject())


def _reference(builder: Builder, value: Floats | str | Table | Sequence[Table]) -> int:
    if isinstance(value, str):
        return int(builder.CreateString(value))
    if isinstance(value, Table):
        return _table(builder, value)
    if isinstance(value, Floats):
        builder.StartVector(4, len(value.values), 4)
        for number in reversed(value.values):
            builder.PrependFloat32(number)
        return int(builder.EndVector())
    places = [_table(builder, one) for one in value]
    builder.StartVector(4, len(places), 4)
    for place in reversed(places):
        builder.PrependUOffsetTRelative(place)
    return int(builder.EndVector())
