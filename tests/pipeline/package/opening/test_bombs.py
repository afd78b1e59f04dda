"""Small archives of very much: refused in bounded memory."""

import gzip
import io
import json
import stat
import struct
import subprocess
import sys
import tarfile
import zipfile
import zlib
from pathlib import Path

import pytest


def header(name: str, kind: bytes = tarfile.REGTYPE, size: int = 0) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.size = kind, size
    return member.tobuf(tarfile.GNU_FORMAT)


def bomb_zip() -> bytes:
    stream = io.BytesIO()
    with zipfile.ZipFile(stream, "w", zipfile.ZIP_DEFLATED) as archive:
        member = zipfile.ZipInfo("t/bomb")
        member.external_attr = (stat.S_IFREG | 0o644) << 16
        archive.writestr(member, b"\0" * 300_000_000, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def lying_zip() -> bytes:
    """Declares a thousand bytes of a member that has 300 million."""
    content = bytearray(bomb_zip())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = content.rindex(mark)
        content[start + place : start + place + 4] = struct.pack("<I", 1000)
    return bytes(content)


def bomb_tar() -> bytes:
    return gzip.compress(header("t/bomb", size=300_000_000) + b"\0" * 300_000_000)


def pax_bomb() -> bytes:
    """A record of 4 GB, of which a reader would make text."""
    head = header("t/x", tarfile.XHDTYPE, size=4_000_000_000)
    packer = zlib.compressobj(9, wbits=31)
    zeros = (packer.compress(b"\0" * 10_000_000) for _ in range(40))
    return packer.compress(head) + b"".join(zeros) + packer.flush()


def many_pax() -> bytes:
    """A long record for each of thousands of files."""
    record = b"16000 a=" + b"x" * (16000 - 9) + b"\n"
    head = header("x", tarfile.XHDTYPE, size=len(record))
    block = head + record + b"\0" * (-len(record) % 512)
    packer = zlib.compressobj(9, wbits=31)
    files = (header(f"t/{number}") for number in range(5000))
    members = (packer.compress(block + one) for one in files)
    return b"".join(members) + packer.flush()


def nested_pax() -> bytes:
    """A record for a record for a record, without end."""
    head = header("x", tarfile.XHDTYPE, size=512)
    return gzip.compress((head + b"9 a=bcde\n".ljust(512, b"\0")) * 50_000)


def sparse() -> bytes:
    """Ten billion bytes of hole, by the old GNU format: not one of them is in the archive."""
    head = bytearray(header("t/x", tarfile.GNUTYPE_SPARSE))
    head[483:495] = b"112402762000"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return gzip.compress(bytes(head) + b"\0" * 1024)


def huge_directory() -> bytes:
    """A zip whose index has 400,000 members of no bytes."""
    name = b"t/%06d"
    local = struct.pack("<4sHHHHHIIIHH", b"PK\x03\x04", 20, 0, 0, 0, 0, 0, 0, 0, 8, 0) + name % 0
    central = b"".join(
        struct.pack(
            *("<4sHHHHHHIIIHHHHHII", b"PK\x01\x02", 20, 20, 0, 0, 0, 0, 0, 0, 0),
            *(8, 0, 0, 0, 0, 0, 0),
        )
        + name % number
        for number in range(400_000)
    )
    end = struct.pack(*("<4sHHHHIIH", b"PK\x05\x06", 0, 0, 1, 1, len(central), len(local), 0))
    return local + central + end


BOMBS = {
    "a zip that expands": (bomb_zip, "unpacks to more than 67,108,864 bytes"),
    "a zip that lies of it": (lying_zip, "damaged"),
    "a tar.gz that expands": (bomb_tar, "unpacks to more than"),
    "a tar's record": (pax_bomb, "an extended header"),
    "a tar's records": (many_pax, "an extended header"),
    "a tar's records of records": (nested_pax, "an extended header"),
    "a file with holes": (sparse, "a file with holes"),
    "a zip's directory": (huge_directory, "directory of the archive is longer"),
}
OPEN = """
import json, sys
from pathlib import Path
from pipeline.package.opening import opened
from targets.agent.memory import peak_bytes
from targets.errors import EdgesmithError
before = peak_bytes()
try:
    with opened(Path(sys.argv[1])):
        told = ""
except EdgesmithError as error:
    told = str(error)
print(json.dumps({"told": told, "more_bytes": peak_bytes() - before}))
"""


@pytest.mark.parametrize("kind", BOMBS)
def test_bombs_are_refused_in_bounded_memory(kind: str, tmp_path: Path):
    make, told = BOMBS[kind]
    path = tmp_path / "package"
    path.write_bytes(make())
    done = subprocess.run(
        [sys.executable, "-c", OPEN, str(path)],
        capture_output=True, check=True, timeout=120, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert told in found["told"]
    assert found["more_bytes"] < 100_000_000
