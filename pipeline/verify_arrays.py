"""Arrays from packages: .npy files of exactly the kind that packages are made with."""

import math
import re
from pathlib import Path

import numpy as np

MOST_BYTES = 512 * 1024**2
"""Of the golden arrays that are in memory at once."""

MOST_HEADER_BYTES = 4096
_MAGIC = b"\x93NUMPY\x01\x00"  # format version 1.0 (NEP 1)
_HEADER = re.compile(
    rb"\{'descr': '([<|][biuf][1248])', 'fortran_order': False, 'shape': \(([\d, ]{0,200})\), \}"
    rb" *\n"
)


class Malformed(Exception):
    """Something of a package is not what it should be: where, and what."""

    def __init__(self, where: str, what: str) -> None:
        """Takes the file's path in the package and a sentence's end."""
        super().__init__(f"{where} {what}")
        self.where = where
        self.what = what


def read_array(path: Path, name: str) -> np.ndarray:
    """The array of numbers in a .npy file.

    The header is matched, not evaluated, and what it declares must be what the file holds before
    anything is allocated.

    Args:
        path: where it lies.
        name: what to call it in messages.

    Raises:
        Malformed: it is no such file, or holds another number of bytes than it declares.
    """
    with path.open("rb") as file:
        magic, length = file.read(len(_MAGIC)), int.from_bytes(file.read(2), "little")
        header = _HEADER.fullmatch(file.read(min(length, MOST_HEADER_BYTES)))
        if magic != _MAGIC or header is None:
            raise Malformed(name, "is no .npy file of version 1.0 that holds numbers in C order")
        dtype = _dtype(header[1].decode(), name)
        shape = tuple(int(size) for size in re.findall(rb"\d+", header[2]))
        held, declared = path.stat().st_size - file.tell(), math.prod(shape) * dtype.itemsize
        if held != declared:
            raise Malformed(name, f"declares {declared:,} bytes of numbers and holds {held:,}")
        if held > MOST_BYTES:
            raise Malformed(name, f"holds more than {MOST_BYTES:,} bytes of numbers")
        return np.fromfile(file, dtype).reshape(shape)


def _dtype(text: str, name: str) -> np.dtype:
    try:
        return np.dtype(text)
    except TypeError:
        raise Malformed(name, f"holds numbers of no known type: {text}") from None
