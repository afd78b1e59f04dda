"""An .ort file as the same bytes each time.

ONNX Runtime writes what operators a model needs (`KernelTypeStrResolver` of its ort.fbs) in an
order that follows from where its memory happens to lie. They come before the model in the file, so
that they are replaced by the same ones in the order of their names, and the model stays as it is.
"""

from collections.abc import Iterator
from importlib import import_module
from typing import Any

from flatbuffers.encode import Get
from flatbuffers.packer import soffset, uoffset

from pipeline.package.flat_tables import Byte, Table, Value, Whole, packed

IDENTIFIER = b"ORTM"
VERSION, MODEL, RESOLVER = 0, 1, 3
"""Fields of the root table, InferenceSession."""
ALIGNMENT = 64
"""Of what the model holds, at most."""
FBS = "onnxruntime.tools.ort_format_model.ort_flatbuffers_py.fbs"
Read = Any
"""A table as ONNX Runtime's own reader has it, which has no types."""


def canonical(content: bytes) -> bytes:
    """The file, its operators sorted by name; ValueError for one that is not as expected."""
    if content[4:8] != IDENTIFIER:
        raise ValueError("no .ort file")
    session: Read = import_module(f"{FBS}.InferenceSession").InferenceSession.GetRootAs(content, 0)
    model = int(session.Model()._tab.Pos)
    start = min(
        model, model - int(Get(soffset, content, model))
    )  # a table, or the list of its fields
    head = _head(session)
    head += bytes((start - len(head)) % ALIGNMENT)
    slot = _slot(head)
    offset = len(head) + model - start - slot
    return bytes(head[:slot]) + offset.to_bytes(4, "little") + head[slot + 4 :] + content[start:]


def _head(session: Read) -> bytes:
    """All that comes before the model, which its root table does not refer to yet."""
    root: dict[int, Value] = {
        VERSION: session.OrtVersion().decode(),
        MODEL: Whole(0xFFFFFFFF),
        RESOLVER: Table({0: list(_operators(session.KernelTypeStrResolver()))}),
    }
    return packed(Table(root), IDENTIFIER)


def _slot(head: bytes) -> int:
    """Where the root table refers to the model."""
    root = int(Get(uoffset, head, 0))
    fields = root - int(Get(soffset, head, root))
    place = fields + 4 + 2 * MODEL
    return root + int.from_bytes(head[place : place + 2], "little")


def _operators(resolver: Read) -> Iterator[Table]:
    """OpIdKernelTypeStrArgsEntry of each operator."""
    count = resolver.OpKernelTypeStrArgsLength()
    entries = [resolver.OpKernelTypeStrArgs(at) for at in range(count)]
    for entry in sorted(entries, key=lambda one: bytes(one.OpId())):
        yield Table({0: entry.OpId().decode(), 1: list(_types(entry))})


def _types(entry: Read) -> Iterator[Table]:
    """KernelTypeStrArgsEntry of each type of an operator."""
    types = [entry.KernelTypeStrArgs(at) for at in range(entry.KernelTypeStrArgsLength())]
    for one in sorted(types, key=lambda each: bytes(each.KernelTypeStr())):
        args = [one.Args(at) for at in range(one.ArgsLength())]
        places = [Table({0: Byte(each.ArgType()), 1: Whole(each.Index())}) for each in args]
        yield Table({0: one.KernelTypeStr().decode(), 1: places})
