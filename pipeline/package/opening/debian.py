"""The two archives in a .deb: what is installed, and what tells dpkg how (deb(5))."""

import gzip
import os
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, BinaryIO, cast

from pipeline.package.opening import tarred
from pipeline.package.opening.bounded import Source, Unxz, Window
from pipeline.package.opening.entry import Entry, reading
from pipeline.package.opening.rules import Ledger
from targets.errors import ArtifactError, PackageRefused

MAGIC = b"!<arch>\n"
CONTROL, DATA = "control", "data"

_HEADER_BYTES = 60
_END = b"`\n"
_VERSION = b"2.0\n"


@dataclass(frozen=True)
class _Part:
    """A member of the ar archive."""

    name: str
    start: int
    size_bytes: int


def entries(path: Path, file: BinaryIO, ledger: Ledger) -> Iterator[Entry]:
    """Each file: those of its control archive below "control/", the others below "data/".

    Raises ArtifactError for what is no .deb or is damaged, PackageRefused for another compression
    than gzip, xz or none, and what the tars' own reader refuses.
    """
    version, *parts = _parts(path, file)
    folders = [one.name.split(".")[0] for one in parts]
    if version.name != "debian-binary" or folders != [CONTROL, DATA]:
        raise ArtifactError(f"{path}: not the three parts that a .deb has, in their order")
    with reading(path):
        file.seek(version.start)
        if file.read(min(version.size_bytes, len(_VERSION) + 1)) != _VERSION:
            raise ArtifactError(f"{path}: not version 2.0 of the format, the only one there is")
    for folder, part in zip(folders, parts, strict=True):
        file.seek(part.start)
        unpacked = _unpacked(part, Window(file, part.size_bytes))
        for entry in tarred.entries(path, unpacked, ledger):
            yield Entry(f"{folder}/{entry.name.removeprefix('./')}", entry.size_bytes, entry.chunks)


def _parts(path: Path, file: BinaryIO) -> list[_Part]:
    """The first three members and their places; there are no more in a .deb of ours."""
    end = file.seek(0, os.SEEK_END)
    file.seek(len(MAGIC))
    found: list[_Part] = []
    with reading(path):
        while header := file.read(_HEADER_BYTES):
            found.append(_part(header, file.tell()))
            if len(found) > 3:
                raise ArtifactError(f"{path}: more than the three parts that a .deb has")
            behind = found[-1].start + found[-1].size_bytes
            if behind > end:
                raise EOFError(f"'{found[-1].name}' is cut off")
            file.seek(behind + behind % 2)
    if not found:
        raise ArtifactError(f"{path}: a .deb of no parts")
    return found


def _part(header: bytes, start: int) -> _Part:
    size = header[48:58].decode("ascii").strip()
    if len(header) != _HEADER_BYTES or header[58:] != _END or not size.isdecimal():
        raise EOFError("a part's header is damaged")
    return _Part(header[:16].decode("ascii").strip().removesuffix("/"), start, int(size))


def _unpacked(part: _Part, packed: Window) -> Source:
    kind = part.name.partition(".")[2]
    if kind == "tar.gz":
        return gzip.GzipFile(fileobj=cast(IO[bytes], packed))
    if kind == "tar.xz":
        return Unxz(packed)
    if kind == "tar":
        return packed
    raise PackageRefused(f"'{part.name}': allowed are .tar.gz, .tar.xz and .tar (dpkg-deb -Zgzip)")
