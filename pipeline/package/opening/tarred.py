"""The files of a tar, in its order.

Each header is read by itself and has to be byte for byte what Python or tar(1) writes of a plain
file or folder. What a reader makes of any other header is a matter of taste: one stops at it, one
passes over it and takes the next, and so two readers unpack different files.
"""

import tarfile
from collections.abc import Iterator
from pathlib import Path

from pipeline.package.opening.bounded import CHUNK_BYTES, Forward, Source
from pipeline.package.opening.entry import Entry, reading
from pipeline.package.opening.rules import Ledger, refuse_mode
from targets.errors import PackageRefused

_PLAIN = (tarfile.REGTYPE, tarfile.AREGTYPE, tarfile.DIRTYPE)
_EXTENDED = "an extended header"
_KINDS = {
    tarfile.SYMTYPE: "a symbolic link",
    tarfile.LNKTYPE: "a hard link",
    tarfile.CHRTYPE: "a device",
    tarfile.BLKTYPE: "a device",
    tarfile.FIFOTYPE: "a pipe",
    tarfile.GNUTYPE_SPARSE: "a file with holes",
    tarfile.GNUTYPE_LONGNAME: _EXTENDED,
    tarfile.GNUTYPE_LONGLINK: _EXTENDED,
    tarfile.XHDTYPE: _EXTENDED,
    tarfile.XGLTYPE: _EXTENDED,
    tarfile.SOLARIS_XHDTYPE: _EXTENDED,
}
_TEXT = ("utf-8", "surrogateescape")  # any bytes, there and back
_CHECKSUM, _MAGIC, _DEVICE = slice(148, 156), slice(257, 265), slice(329, 345)
"""Places in a header (tar(5)). Of a file's device numbers, which mean nothing, some write zeros."""


def entries(path: Path, unpacked: Source, ledger: Ledger) -> Iterator[Entry]:
    """Each file of an unpacked tar stream, read once and forwards.

    Raises PackageRefused for links, devices, files with holes, extended headers, owners and modes
    that no package's files have, ArtifactError for a damaged one.
    """
    stream = Forward(unpacked, ledger.spend)
    with reading(path):
        while (header := stream.take(tarfile.BLOCKSIZE)).strip(b"\0"):
            member = _member(header)
            if member.isdir():
                ledger.admit_folder(member.name)
                continue
            behind = stream.place + member.size + -member.size % tarfile.BLOCKSIZE
            yield Entry(member.name, member.size, _chunks(path, stream, member))
            stream.skip_to(behind)
        _refuse_more(stream)


def _member(header: bytes) -> tarfile.TarInfo:
    if len(header) < tarfile.BLOCKSIZE:
        raise EOFError("a header is cut off")
    try:
        member = tarfile.TarInfo.frombuf(header, *_TEXT)
    except tarfile.HeaderError as error:
        raise _unusual("a member") from error
    name = ascii(member.name[:80])
    if member.type not in _PLAIN:
        kind = _KINDS.get(member.type, "of another kind")
        raise PackageRefused(f"{name} is {kind}; a package holds plain files only")
    if member.size < 0:
        raise PackageRefused(f"{name} declares a size of {member.size} bytes")
    idle = member.linkname or (member.isdir() and member.size)
    if idle or header != _written(member, header):
        raise _unusual(name)
    if not member.isdir() and member.name.endswith("/"):
        raise PackageRefused(f"{name} is a file that is named as a folder")
    refuse_mode(name, member.mode, folder=member.isdir())
    _refuse_owner(name, member)
    return member


def _written(member: tarfile.TarInfo, header: bytes) -> bytes:
    """The header that is written of a member, in the form of tar that it says it has."""
    is_gnu = header[_MAGIC] == tarfile.GNU_MAGIC
    written = bytearray(
        member.tobuf(tarfile.GNU_FORMAT if is_gnu else tarfile.USTAR_FORMAT, *_TEXT)
    )
    written[_DEVICE] = header[_DEVICE]
    written[_CHECKSUM] = b" " * 8
    written[_CHECKSUM] = b"%06o\0 " % sum(written)
    return bytes(written)


def _unusual(name: str) -> PackageRefused:
    return PackageRefused(
        f"the header of {name} is not as tar(1) writes one of a plain file; which files there are "
        "would depend on who unpacks it"
    )


def _refuse_owner(name: str, member: tarfile.TarInfo) -> None:
    """Whoever unpacks as root, dpkg above all, would hand the file over to the owner named."""
    if (member.uid, member.gid) != (0, 0) or {member.uname, member.gname} - {"", "root"}:
        owner = f"{member.uid}:{member.gid} ({member.uname!a}:{member.gname!a})"
        raise PackageRefused(f"{name} belongs to {owner}; a package's files belong to root, 0:0")


def _chunks(path: Path, stream: Forward, member: tarfile.TarInfo) -> Iterator[bytes]:
    with reading(path):
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
