"""The files of a .zip, by its directory."""

import stat
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, ZipFile, ZipInfo

from pipeline.package.opening.bounded import CHUNK_BYTES, Sparing
from pipeline.package.opening.entry import Entry, reading
from pipeline.package.opening.rules import Ledger, inside
from targets.errors import PackageRefused

_HEADER_BYTES = 30  # before each member, without its name (PKWARE APPNOTE 4.3.7)
_ENCRYPTED = 0x1  # general purpose bit 0 (PKWARE APPNOTE 4.4.4)
_SPEECH = {ZIP_STORED: "stored", ZIP_DEFLATED: "deflated"}


def entries(path: Path, file: BinaryIO, ledger: Ledger) -> Iterator[Entry]:
    """Each file. The whole directory is examined before the first is given.

    Raises PackageRefused for links, encrypted members and members that overlap (Fifield, "A better
    zip bomb", WOOT 2019), ArtifactError for a damaged archive.
    """
    with reading(path), ZipFile(cast(IO[bytes], Sparing(file))) as archive:
        members = archive.infolist()
        for member in members:
            _examine(member)
        _refuse_overlaps(members, file)
        for member in members:
            if member.is_dir():
                ledger.admit_folder(member.orig_filename)
                continue
            with archive.open(member) as stream:
                yield Entry(member.orig_filename, member.file_size, _chunks(path, stream, ledger))


def _examine(member: ZipInfo) -> None:
    name = inside(member.orig_filename)
    kind = stat.S_IFMT(member.external_attr >> 16)
    if kind not in (0, stat.S_IFREG, stat.S_IFDIR):
        raise PackageRefused(f"'{name}' is a link or a device; a package holds files only")
    if member.flag_bits & _ENCRYPTED:
        raise PackageRefused(f"'{name}' is encrypted; what can't be read can't be verified")
    if member.compress_type not in _SPEECH:
        allowed = " or ".join(_SPEECH.values())
        raise PackageRefused(
            f"'{name}' is compressed by method {member.compress_type}; allowed: {allowed}"
        )


def _refuse_overlaps(members: list[ZipInfo], file: BinaryIO) -> None:
    """Members that share packed bytes, which is how few bytes become very many."""
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise PackageRefused(f"'{member.filename}' overlaps another member")
        end = member.header_offset + _HEADER_BYTES + len(member.filename) + member.compress_size
    place = file.tell()
    if end > file.seek(0, 2):
        raise PackageRefused("its members are longer than the archive")
    file.seek(place)


def _chunks(path: Path, stream: IO[bytes], ledger: Ledger) -> Iterator[bytes]:
    with reading(path):
        while chunk := stream.read(CHUNK_BYTES):
            ledger.spend(len(chunk))
            yield chunk
