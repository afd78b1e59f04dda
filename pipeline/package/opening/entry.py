"""One file of an archive on its way out, and what goes wrong while an archive is read."""

import lzma
import struct
import tarfile
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from zipfile import BadZipFile

from targets.errors import ArtifactError

_UNREADABLE = (
    *(tarfile.TarError, BadZipFile, zlib.error, lzma.LZMAError, struct.error),
    *(EOFError, OSError, ValueError, OverflowError, LookupError, RuntimeError, AttributeError),
)
"""What the standard library's readers raise at damaged archives. RuntimeError has RecursionError
and NotImplementedError below it; AttributeError comes of a header that lacks what others have."""


@dataclass(frozen=True)
class Entry:
    """A file of an archive: its name and size as declared, and its bytes, to be read once, before
    the next entry is asked for."""

    name: str
    size_bytes: int
    chunks: Iterator[bytes]


@contextmanager
def reading(path: Path) -> Iterator[None]:
    """Turns whatever a damaged archive does to its reader into an ArtifactError."""
    try:
        yield
    except _UNREADABLE as error:
        said = " ".join(str(error).split())[:200] or type(error).__name__
        raise ArtifactError(
            f"{path}: a damaged or cut-off archive: {said}; fetch the package again"
        ) from error
