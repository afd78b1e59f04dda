"""The files of a tar, in its order."""

import tarfile
from collections.abc import Iterator
from pathlib import Path
from typing import IO, cast

from pipeline.package.opening.bounded import CHUNK_BYTES, Forward, Source
from pipeline.package.opening.entry import Entry, reading
from pipeline.package.opening.rules import Ledger
from targets.errors import PackageRefused

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a file with holes",
}


def entries(path: Path, unpacked: Source, ledger: Ledger) -> Iterator[Entry]:
    """Each file of an unpacked tar stream, read once and forwards.

    Raises PackageRefused for links, devices and files with holes, ArtifactError for a damaged one.
    """
    stream = Forward(unpacked, ledger.spend)
    with reading(path):
        # ignore_zeros stays off: what follows the end is looked at below
        archive = tarfile.TarFile(fileobj=cast(IO[bytes], stream), errorlevel=2)
        while (member := archive.next()) is not None:
            _examine(member)
            if member.isdir():
                ledger.admit_folder(member.name)
                continue
            yield Entry(member.name, member.size, _chunks(path, stream, member))
        _refuse_more(stream)


def _examine(member: tarfile.TarInfo) -> None:
    name = ascii(member.name[:80])
    if member.size < 0:
        raise PackageRefused(f"{name} declares a size of {member.size} bytes")
    if member.sparse is not None or member.type not in _PLAIN:
        kind = _KINDS.get(member.type, "a file with holes" if member.sparse else "of another kind")
        raise PackageRefused(f"{name} is {kind}; a package holds plain files only")


def _chunks(path: Path, stream: Forward, member: tarfile.TarInfo) -> Iterator[bytes]:
    with reading(path):
        stream.seek(member.offset_data)
        left = member.size
        while left > 0:
            chunk = stream.take(min(CHUNK_BYTES, left))
            if not chunk:
                raise tarfile.ReadError(f"'{member.name}' is cut off")
            left -= len(chunk)
            yield chunk


def _refuse_more(stream: Forward) -> None:
    """Reads to the end, by which the packed stream's own checksum is compared, too."""
    while chunk := stream.take(CHUNK_BYTES):
        if chunk.strip(b"\0"):
            raise PackageRefused("there is more behind the end of its tar")
