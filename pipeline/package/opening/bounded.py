"""Streams under archive readers: what is read at once, and in all, has a bound.

The readers of the standard library take an archive's word for the size of its own index and
headers, and read that much into memory; a stream that refuses keeps them honest.
"""

import io
import lzma
import zlib
from collections.abc import Callable
from typing import BinaryIO, Protocol

from targets.errors import PackageRefused

CHUNK_BYTES = 256 * 1024
DIRECTORY_BYTES = 4 * 1024**2
"""Of a zip: 10,000 members with names of 300 bytes."""

XZ_MEMORY_BYTES = 128 * 1024**2
"""`xz -9` needs 65 MiB to unpack (xz(1))."""


class Source(Protocol):
    """Bytes in order."""

    def read(self, size: int = -1, /) -> bytes | None:
        """At most `size` of them; none at the end."""


class Sparing(io.RawIOBase):
    """A file that may be read anywhere, but never much at once."""

    def __init__(self, file: BinaryIO) -> None:
        """Takes an open file, which stays the caller's to close."""
        self._file = file

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, or the rest. Raises PackageRefused where that is too much at once."""
        if 0 <= size <= DIRECTORY_BYTES:
            return self._file.read(size)
        found = self._file.read(DIRECTORY_BYTES + 1)
        if len(found) > DIRECTORY_BYTES:
            raise PackageRefused(
                f"a directory of the archive is longer than {DIRECTORY_BYTES:,} bytes; "
                "no package's is"
            )
        return found

    def seek(self, offset: int, whence: int = 0) -> int:
        """As of the file."""
        return self._file.seek(offset, whence)

    def tell(self) -> int:
        """As of the file."""
        return self._file.tell()

    def seekable(self) -> bool:
        """It is."""
        return True


class Forward:
    """A tar's stream, read once and forwards, in bounded pieces. Each byte is reported."""

    def __init__(self, source: Source, spend: Callable[[int], None]) -> None:
        """Takes the bytes, and who is told how many more of them there were."""
        self._source = source
        self._spend = spend
        self.place = 0

    def take(self, size: int) -> bytes:
        """`size` bytes, or what is left."""
        pieces = []
        while size > 0 and (piece := self._source.read(min(size, CHUNK_BYTES))):
            self._spend(len(piece))
            self.place += len(piece)
            size -= len(piece)
            pieces.append(piece)
        return b"".join(pieces)

    def skip_to(self, place: int) -> None:
        """Reads on to a place, or to the end."""
        while self.place < place and self.take(min(CHUNK_BYTES, place - self.place)):
            pass


class Window(io.RawIOBase):
    """A part of a file, as a stream of its own."""

    def __init__(self, file: BinaryIO, size_bytes: int) -> None:
        """Takes a file that stands where the part begins."""
        self._file = file
        self._left = size_bytes

    def read(self, size: int = -1) -> bytes:
        """Up to `size` bytes, or the rest."""
        found = self._file.read(self._left if size < 0 else min(size, self._left))
        self._left -= len(found)
        return found


class Inflated:
    """What a deflated stream unpacks to, which must be all of its source."""

    def __init__(self, packed: Source) -> None:
        """Takes the packed stream, without header or checksum."""
        self._packed = packed
        self._unpacker = zlib.decompressobj(-zlib.MAX_WBITS)

    def read(self, size: int = CHUNK_BYTES, /) -> bytes:
        """Up to `size` bytes, none at the end.

        Raises EOFError where the stream is cut off, PackageRefused where more follows it, which a
        reader of streams takes for the next member.
        """
        while not self._unpacker.eof:
            more = self._unpacker.unconsumed_tail or self._packed.read(CHUNK_BYTES) or b""
            found = self._unpacker.decompress(more, size)
            if found:
                return found
            if not more and not self._unpacker.eof:
                raise EOFError("a deflated stream is cut off")
        if self._unpacker.unused_data or self._packed.read(1):
            raise PackageRefused("there is more behind the end of a deflated stream")
        return b""


class Unxz:
    """What an .xz stream unpacks to, in bounded memory (a file may ask for 4 GiB of it)."""

    def __init__(self, packed: Source) -> None:
        """Takes the packed stream."""
        self._packed = packed
        self._unpacker = lzma.LZMADecompressor(lzma.FORMAT_XZ, memlimit=XZ_MEMORY_BYTES)

    def read(self, size: int = -1, /) -> bytes:
        """Up to `size` bytes, none at the end.

        Raises EOFError where the stream is cut off, PackageRefused where another follows it, which
        xz(1) would unpack, too.
        """
        while not self._unpacker.eof:
            more = self._packed.read(CHUNK_BYTES) if self._unpacker.needs_input else b""
            if self._unpacker.needs_input and not more:
                raise EOFError("the .xz stream is cut off")
            found = self._unpacker.decompress(more or b"", size)
            if found:
                return found
        if self._unpacker.unused_data or self._packed.read(1):
            raise PackageRefused("there is more behind the end of an .xz stream")
        return b""
