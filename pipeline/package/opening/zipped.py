"""The files of a .zip, by its directory."""

import stat
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import IO, BinaryIO, cast
from zipfile import ZIP_DEFLATED, ZIP_STORED, BadZipFile, ZipFile, ZipInfo

from pipeline.package.opening.bounded import CHUNK_BYTES, Inflated, Sparing, Window
from pipeline.package.opening.entry import Entry, reading
from pipeline.package.opening.layout import UTF8, content_place, refuse_unlisted
from pipeline.package.opening.rules import Ledger, inside, refuse_mode
from targets.errors import PackageRefused

_ENCRYPTED = 0x1  # general purpose bit 0 (PKWARE APPNOTE 4.4.4)
_FLAGS = 0x6 | UTF8  # bits 1 and 2: how hard it was deflated
_UNIX = 3  # what an archive was made on (4.4.2)
_FOLDER = 0x10  # what MS-DOS calls a folder, below the unix mode
_SPEECH = {ZIP_STORED: "stored", ZIP_DEFLATED: "deflated"}


def entries(path: Path, file: BinaryIO, ledger: Ledger) -> Iterator[Entry]:
    """Each file. The whole directory is examined before the first is given.

    Raises PackageRefused for links, encrypted members, modes that no package's files have, members
    that overlap (Fifield, "A better zip bomb", WOOT 2019) and bytes that are no member's,
    ArtifactError for a damaged archive.
    """
    with reading(path), ZipFile(cast(IO[bytes], Sparing(file))) as archive:
        members = archive.infolist()
        for member in members:
            _examine(member)
        refuse_unlisted(members, archive.start_dir, file)
        for member in members:
            if member.is_dir():
                ledger.admit_folder(member.orig_filename)
                continue
            chunks = _chunks(path, member, file, ledger)
            yield Entry(member.orig_filename, member.file_size, chunks)


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
    if member.flag_bits & ~_FLAGS:
        raise PackageRefused(
            f"'{name}' is written in parts (flags {member.flag_bits:#x}); allowed: sizes in front"
        )
    if member.compress_type == ZIP_STORED and member.compress_size != member.file_size:
        raise PackageRefused(f"'{name}' is stored, and has two sizes")
    if member.is_dir() and (member.file_size or member.compress_size):
        raise PackageRefused(f"'{name}' is a folder with content")
    _refuse_kind(member)


def _refuse_kind(member: ZipInfo) -> None:
    """A file or folder is marked as that, in a unix's way and in that of MS-DOS."""
    name, mode, folder = repr(member.filename), member.external_attr >> 16, member.is_dir()
    kind, dos = (stat.S_IFDIR, (0, _FOLDER)) if folder else (stat.S_IFREG, (0,))
    marked = stat.S_IFMT(mode) == kind and member.external_attr & 0xFFFF in dos
    if not marked or member.create_system != _UNIX:
        raise PackageRefused(
            f"{name} is marked by {member.external_attr:#010x} of system {member.create_system}; "
            "a package's files are plain files of a unix"
        )
    refuse_mode(name, stat.S_IMODE(mode), folder)


def _chunks(path: Path, member: ZipInfo, file: BinaryIO, ledger: Ledger) -> Iterator[bytes]:
    """Not by zipfile, which passes over what follows a member's deflated stream."""
    with reading(path):
        file.seek(content_place(member, file))
        packed = Window(file, member.compress_size)
        source = Inflated(packed) if member.compress_type == ZIP_DEFLATED else packed
        left, checksum = member.file_size, 0
        while chunk := source.read(CHUNK_BYTES):
            ledger.spend(len(chunk))
            left, checksum = left - len(chunk), zlib.crc32(chunk, checksum)
            if left < 0:
                raise BadZipFile(f"'{member.filename}' is longer than it says")
            yield chunk
        if checksum != member.CRC:
            raise BadZipFile(f"the checksum of '{member.filename}' is another")
