"""In which files an .onnx keeps its weights, read off its protobuf (onnx/onnx.proto) alone.

No runtime looks at the file, so one that is hostile can do no harm. Travels to devices: stdlib
only, Python 3.9 syntax.
"""

import mmap
import os
from pathlib import Path, PurePosixPath
from typing import Dict, Iterator, List, Optional, Tuple

from targets.errors import ArtifactError

_FIELDS: Dict[str, Dict[int, str]] = {
    "model": {7: "graph", 20: "training", 25: "function"},
    "training": {1: "graph", 2: "graph"},
    "function": {7: "node"},
    "graph": {1: "node", 5: "tensor", 15: "sparse"},
    "node": {5: "attribute"},
    "attribute": {5: "tensor", 6: "graph", 10: "tensor", 11: "graph", 22: "sparse", 23: "sparse"},
    "sparse": {1: "tensor", 2: "tensor"},
    "tensor": {13: "entry"},
}
"""Messages inside messages, as far as tensors are in them; numbers are those of onnx.proto."""
_KEY, _VALUE = 1, 2
_LOCATION = b"location"
_VARINT, _EIGHT, _BYTES, _FOUR = 0, 1, 2, 5
_GROUP_ENDS = (3, 4)
"""Of wire types that ONNX never uses; what is between two is read as if they were not there."""
_LONGEST_VARINT = 10

_MOST_FIELDS = 4_000_000
"""A few seconds of reading. A node and its weights have about fifteen, and the largest language
models some 100,000 nodes."""

_DEEPEST = 100
"""Messages in messages; no reader of protobuf takes more (protobuf.dev, "Proto Limits")."""

_LONGEST_LOCATION = 4096  # PATH_MAX of Linux
_MOST_FILES = 10_000


class _Excessive(Exception):
    """A file that asks for more than is done to find what it keeps elsewhere: what it has."""


def companions(path: Path) -> List[Path]:
    """The files beside an .onnx that it keeps tensors in, each once, in its own order.

    Of a file that is no protobuf, those up to where it is none: every runtime refuses it.
    Raises ArtifactError for a location that is not below the model's folder, whatever links lead
    there, and for a file that would take more time or memory to look through than any model does.
    """
    names: Dict[str, None] = {}
    try:
        for name in _locations(path):
            names[name] = None
            if len(names) > _MOST_FILES:
                raise _Excessive(f"keeps tensors in more than {_MOST_FILES:,} files")
    except _Excessive as error:
        raise ArtifactError(
            f"{path} {error}, as no model that a runtime takes does; write it anew: "
            "onnx.save(model, file, save_as_external_data=True)"
        ) from error
    except OSError as error:
        raise ArtifactError(f"{path} can't be read: {error}") from error
    except ValueError:
        pass
    return [_below(path, name) for name in names]


def _below(path: Path, name: str) -> Path:
    """The file at a location, which is relative to the model's folder."""
    folder, parts = path.parent.resolve(), PurePosixPath(name).parts
    outside = not parts or name.startswith("/") or ".." in parts or "\\" in name or "\0" in name
    if outside or folder not in (folder / name).resolve().parents:
        raise ArtifactError(
            f"{path}: its external data {name!r} is outside the model's folder; write the model "
            "with its data beside it: onnx.save(model, file, save_as_external_data=True)"
        )
    return path.with_name(parts[0]).joinpath(*parts[1:])


def _locations(path: Path) -> Iterator[str]:
    with path.open("rb") as file:
        if path.stat().st_size == 0:
            return  # which can't be mapped
        with mmap.mmap(file.fileno(), 0, access=mmap.ACCESS_READ) as content:
            if content.find(_LOCATION) >= 0:  # most models keep nothing elsewhere
                yield from _walk(content)


def _walk(content: mmap.mmap) -> Iterator[str]:
    """Every location of external data; depth first, without recursion."""
    budget = iter(range(_MOST_FIELDS))
    waiting = [("model", _fields(content, 0, len(content), budget))]
    while waiting:
        kind, fields = waiting[-1]
        for number, start, stop in fields:
            message = _FIELDS[kind].get(number)
            if message == "entry":
                name = _location(content, start, stop, budget)
                if name is not None:
                    yield name
            elif message is not None:
                waiting.append((message, _fields(content, start, stop, budget)))
                break
        else:
            waiting.pop()
        if len(waiting) > _DEEPEST:
            raise _Excessive(f"has more than {_DEEPEST} messages of protobuf in one another")


def _location(content: mmap.mmap, at: int, end: int, budget: Iterator[int]) -> Optional[str]:
    """The value of a key-value pair whose key is the location's."""
    pair = {number: (start, stop) for number, start, stop in _fields(content, at, end, budget)
            if number in (_KEY, _VALUE)}  # fmt: skip
    start, stop = pair.get(_KEY, (0, 0))
    if stop - start != len(_LOCATION) or content[start:stop] != _LOCATION:
        return None
    start, stop = pair.get(_VALUE, (0, 0))
    if stop - start > _LONGEST_LOCATION:
        raise _Excessive(f"names a file by more than {_LONGEST_LOCATION:,} bytes")
    return os.fsdecode(content[start:stop])


def _fields(
    content: mmap.mmap, at: int, end: int, budget: Iterator[int]
) -> Iterator[Tuple[int, int, int]]:
    """Number, start and stop of each field of a message that is a string of bytes.

    Takes one of the budget for each field of any type, and one for the message's end.
    """
    for _ in budget:
        if at >= end:
            break
        key, at = _varint(content, at, end)
        number, wire = key >> 3, key & 7
        if number == 0:
            raise ValueError("a field has no number")
        if wire == _BYTES:
            length, at = _varint(content, at, end)
            if length > end - at:
                raise ValueError("it ends too early")
            yield number, at, at + length
            at += length
        elif wire == _VARINT:
            at = _varint(content, at, end)[1]
        elif wire in (_EIGHT, _FOUR):
            at += 8 if wire == _EIGHT else 4
        elif wire not in _GROUP_ENDS:
            raise ValueError(f"a field has the unknown wire type {wire}")
    else:
        raise _Excessive(f"has more than {_MOST_FIELDS:,} fields of protobuf")
    if at > end:
        raise ValueError("it ends too early")


def _varint(content: mmap.mmap, at: int, end: int) -> Tuple[int, int]:
    """A number, seven bits per byte, the lowest first; and the place behind it."""
    value = 0
    for shift in range(_LONGEST_VARINT):
        if at >= end:
            raise ValueError("it ends too early")
        byte = content[at]
        value |= (byte & 127) << (7 * shift)
        at += 1
        if byte < 128:
            return value, at
    raise ValueError("a number has no end")
