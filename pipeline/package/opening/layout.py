"""Whether a zip is its directory's members one after another, and nothing else.

An unpacker that reads a zip as a stream (`jar x`) takes the members as they come, and others take
the directory where the end record says it is. So a byte that no member has, or a member of which
the two tell different things, would be unpacked by some and verified by none.
"""

import struct
from collections.abc import Sequence
from typing import BinaryIO
from zipfile import ZipInfo

from targets.errors import PackageRefused

_LOCAL = struct.Struct("<4s2x2H4x3I2H")  # without version and time (PKWARE APPNOTE 4.3.7)
_LOCAL_MARK = b"PK\x03\x04"
_ENTRY_BYTES = 46  # of the directory for each member, without its name (4.3.12)
_MOST = 0xFFFF_FFFF  # in place of a size that takes 64 bits
_LARGE = struct.Struct("<2H2Q")  # the extra field that has it then (4.5.3)
_LARGE_ID = 1
_END = struct.Struct("<4s4H2IH")  # 4.3.16
_LARGE_END = struct.Struct("<4sQ2H2L4Q")  # 4.3.14
_LARGE_PLACE = struct.Struct("<4sLQL")  # 4.3.15
_VERSION = 45  # of the format, since when sizes may take 64 bits
UTF8 = 0x800  # general purpose bit 11: how a name is encoded


def refuse_unlisted(members: Sequence[ZipInfo], directory: int, file: BinaryIO) -> None:
    """Raises PackageRefused where the archive is more than its directory says, or other.

    Args:
        members: all of the directory.
        directory: where it begins.
        file: the archive; its place is left as it is.
    """
    place = file.tell()
    end = 0
    for member in sorted(members, key=lambda one: one.header_offset):
        if member.header_offset < end:
            raise PackageRefused(f"'{member.filename}' overlaps another member")
        if member.header_offset > end:
            raise PackageRefused(f"there are bytes before '{member.filename}' that no member has")
        _refuse_extra(member)
        end = _behind(member, file)
    if end > directory:
        raise PackageRefused("its members are longer than the archive")
    if end < directory:
        raise PackageRefused("there are bytes before its directory that no member has")
    _refuse_more(members, directory, file)
    file.seek(place)


def content_place(member: ZipInfo, file: BinaryIO) -> int:
    """Where a member's packed bytes begin."""
    file.seek(member.header_offset)
    *_, name_bytes, extra_bytes = _LOCAL.unpack(file.read(_LOCAL.size))
    return member.header_offset + _LOCAL.size + int(name_bytes) + int(extra_bytes)


def _behind(member: ZipInfo, file: BinaryIO) -> int:
    """The place behind a member, whose own header must say what the directory says of it."""
    file.seek(member.header_offset)
    mark, *facts, name_bytes, extra_bytes = _LOCAL.unpack(file.read(_LOCAL.size))
    name, extra = file.read(name_bytes), file.read(extra_bytes)
    packed, size = member.compress_size, member.file_size
    told = [member.flag_bits, member.compress_type, member.CRC]
    plain = ([*told, packed, size], b"")
    large = ([*told, _MOST, _MOST], _LARGE.pack(_LARGE_ID, _LARGE.size - 4, size, packed))
    if (mark, name) != (_LOCAL_MARK, _name(member)) or (facts, extra) not in (plain, large):
        raise PackageRefused(
            f"the header of '{member.filename}' is not what the archive's directory says of it"
        )
    return content_place(member, file) + packed


def _refuse_extra(member: ZipInfo) -> None:
    """Some take another name, an owner or a link's target from a field that others pass over."""
    identity, length = struct.unpack("<2H", member.extra[:4] or bytes(4))
    if member.extra and (identity, length + 4) != (_LARGE_ID, len(member.extra)):
        raise PackageRefused(
            f"'{member.filename}' has the extra field {identity:#06x}; allowed: none but its size"
        )


def _name(member: ZipInfo) -> bytes:
    return member.orig_filename.encode("utf-8" if member.flag_bits & UTF8 else "cp437")


def _refuse_more(members: Sequence[ZipInfo], directory: int, file: BinaryIO) -> None:
    """The directory is followed by its end record, which says where it is, and by nothing."""
    end = directory + sum(
        _ENTRY_BYTES + len(_name(one)) + len(one.extra) + len(one.comment) for one in members
    )
    count, size = len(members), end - directory
    plain = _END.pack(b"PK\5\6", 0, 0, count, count, size, min(directory, _MOST), 0)
    large = _LARGE_END.pack(
        *(b"PK\6\6", _LARGE_END.size - 12, _VERSION, _VERSION, 0, 0),
        *(count, count, size, directory),
    )
    large += _LARGE_PLACE.pack(b"PK\6\7", 0, end, 1)
    file.seek(end)
    if file.read(len(large + plain) + 1) not in (plain, large + plain):
        raise PackageRefused("behind its directory is more than the record that says where it is")
