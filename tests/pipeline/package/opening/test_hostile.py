"""Archives made to harm: refused, with nothing written elsewhere and in bounded memory."""

import gzip
import io
import json
import lzma
import shutil
import stat
import struct
import subprocess
import sys
import tarfile
import warnings
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from pipeline.package.opening import opened, rules
from targets.errors import EdgesmithError, PackageRefused

MANIFEST = ("t/manifest.json", b"{}")
OUTSIDE = (
    *("../evil", "t/../../evil", "/tmp/evil", "t/..", "..", "t\\..\\..\\evil", "C:\\evil"),
    *("c:evil", "t//evil", "t/./evil", "t/\x00evil", "t/\nevil", "t/\u202eevil", ""),
    *("t/" + "a" * 300, "/".join(["t"] + ["a"] * 400)),
)


def zip_of(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members:
            info = zipfile.ZipInfo("x") if isinstance(name, str) else name
            if isinstance(name, str):
                info.filename = info.orig_filename = name
            archive.writestr(info, content, zipfile.ZIP_DEFLATED)
    return stream.getvalue()


def tar_of(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content) or info.size
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(stream.getvalue())


def entry(name: str, kind: bytes, **facts) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in facts.items():
        setattr(info, key, value)
    return info


def with_mode(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo(name)
    info.create_system, info.external_attr = 3, mode << 16
    return info


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes], str]:
    """The message with which an archive is refused, once it is seen that nothing was written."""

    def tell(content: bytes, kind: type[EdgesmithError] = PackageRefused) -> str:
        path = tmp_path / "package"
        path.write_bytes(content)
        before = set(everything(tmp_path.parent))
        with pytest.raises(kind) as told, opened(path):
            pass
        assert set(everything(tmp_path.parent)) == before
        assert not Path("/tmp/evil").exists()
        return str(told.value)

    return tell


def everything(folder: Path) -> Iterator[Path]:
    return folder.rglob("*")


@pytest.mark.parametrize("name", OUTSIDE, ids=ascii)
def test_a_zip_with_a_path_outside(name: str, refused):
    assert "a member is called" in refused(zip_of(MANIFEST, (name, b"evil")))


@pytest.mark.parametrize("name", [name for name in OUTSIDE if "\0" not in name], ids=ascii)
def test_a_tar_with_a_path_outside(name: str, refused):
    # a longer name than a header has room for takes another header, which is refused unread
    told = "a member is called" if len(name) <= tarfile.LENGTH_NAME else "an extended header"
    assert told in refused(tar_of(MANIFEST, (name, b"evil")))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zip_with_a_link_or_a_device(mode: int, refused):
    assert "a link or a device" in refused(zip_of(MANIFEST, (with_mode("t/x", mode), b"/etc")))


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        (tarfile.SYMTYPE, "a symbolic link"),
        (tarfile.LNKTYPE, "a hard link"),
        (tarfile.CHRTYPE, "a device"),
        (tarfile.BLKTYPE, "a device"),
        (tarfile.FIFOTYPE, "a pipe"),
        (b"V", "of another kind"),
    ],
)
def test_a_tar_with_what_is_no_file(kind: bytes, told: str, refused):
    assert told in refused(tar_of(MANIFEST, (entry("t/x", kind, linkname="/etc/passwd"), b"")))


def test_a_link_and_then_a_file_through_it(refused):
    link = entry("t/model", tarfile.SYMTYPE, linkname="/tmp")
    assert "a symbolic link" in refused(tar_of(MANIFEST, (link, b""), ("t/model/evil", b"evil")))


@pytest.mark.parametrize(
    "names",
    [
        *(("t/a", "t/a"), ("t/a", "t/A"), ("t/a", "t/a/b"), ("t/a/b", "t/a")),
        ("t/\u00e9", "t/e\u0301"),
    ],
)
def test_two_members_for_one_place(names: tuple[str, str], refused):
    members = [(name, b"") for name in names]
    assert "two members for one place" in refused(tar_of(MANIFEST, *members))
    assert "two members for one place" in refused(zip_of(MANIFEST, *members))


def test_an_encrypted_or_strangely_packed_member(refused):
    content = bytearray(zip_of(MANIFEST))
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    assert "is encrypted" in refused(bytes(content))
    content[directory + 8] ^= 1
    content[directory + 10] = 14
    assert "compressed by method 14" in refused(bytes(content))


def test_members_that_overlap(refused):
    content = zip_of(("t/a", b"a" * 100), ("t/b", b"b" * 100), MANIFEST)
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    overlapping = bytearray(content)
    overlapping[second + 42 : second + 46] = struct.pack("<I", 10)
    assert "overlaps" in refused(bytes(overlapping))


def test_more_behind_the_end_of_a_tar(refused):
    stream = gzip.decompress(tar_of(MANIFEST)) + b"evil"
    assert "more behind the end" in refused(gzip.compress(stream))


def with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def replaced(header: bytes, place: int, content: bytes) -> bytes:
    """A header with other bytes in one place, and a checksum that fits."""
    return with_checksum(header[:place] + content + header[place + len(content) :])


PLAIN = entry("t/run.py", tarfile.REGTYPE).tobuf(tarfile.USTAR_FORMAT)
LINK = entry("t/run.py", tarfile.SYMTYPE, linkname="/etc/passwd").tobuf(tarfile.USTAR_FORMAT)
UNUSUAL = {
    "a link whose time Python can't read": replaced(LINK, 136, b"+AAAAAAAAAA\0"),
    "a link whose checksum Python can't read": LINK[:148] + b"+AAAAAA\0" + LINK[156:],
    "a number that Python alone reads": replaced(PLAIN, 124, b"0o0\0"),
    "a checksum that Python alone reads": PLAIN[:148] + b"0o%05o\0" % 0 + PLAIN[156:],
    "a prefix that only some read": replaced(
        entry("t/run.py", tarfile.REGTYPE).tobuf(tarfile.GNU_FORMAT), 345, b"elsewhere"
    ),
    "more behind the end of a name": replaced(PLAIN, 20, b"evil"),
    "a file that links": replaced(PLAIN, 157, b"/etc/passwd"),
    "a folder with content": replaced(
        entry("t/d", tarfile.DIRTYPE).tobuf(tarfile.USTAR_FORMAT), 124, b"00000001000\0"
    ),
    "noise": b"\1" * 512,
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_a_header_that_another_reader_may_take_for_something_else(kind: str, refused):
    """GNU tar reads on behind a header that Python takes for the end."""
    whole = gzip.decompress(tar_of(MANIFEST))[:1024]
    for tail in (b"\0" * 1024, b""):
        told = refused(gzip.compress(whole + UNUSUAL[kind] + tail))
        assert "not as tar(1) writes one of a plain file" in told


def test_gnu_tar_takes_what_is_refused(tmp_path: Path):
    """Why: a link that Python does not see replaces a file."""
    if shutil.which("tar") is None:
        pytest.skip("no tar on the PATH")
    link = UNUSUAL["a link whose time Python can't read"]
    whole = gzip.decompress(tar_of(MANIFEST, ("t/run.py", b"good")))[: 4 * 512]
    with tarfile.open(fileobj=io.BytesIO(whole + link + b"\0" * 1024)) as archive:
        assert all(one.isfile() for one in archive)
    subprocess.run(
        ["tar", "-xf", "-"], input=whole + link + b"\0" * 1024, cwd=tmp_path, check=False,
        capture_output=True,
    )  # fmt: skip
    if not (tmp_path / "t/run.py").is_symlink():
        pytest.skip("another tar than GNU's")


EXTENDED = (tarfile.XHDTYPE, tarfile.XGLTYPE, tarfile.GNUTYPE_LONGNAME, tarfile.GNUTYPE_LONGLINK)


@pytest.mark.parametrize("kind", EXTENDED)
def test_a_header_that_changes_the_next(kind: bytes, refused):
    told = refused(tar_of((entry("x", kind), b"20 path=t/evil.txt\n"), MANIFEST))
    assert "an extended header" in told


@pytest.mark.parametrize(
    ("facts", "told"),
    [
        ({"mode": 0o4755}, "'t/run.py' has the mode 4755; allowed: 0644 or 0755"),
        ({"mode": 0o666}, "has the mode 0666"),
        ({"uid": 1000}, "belongs to 1000:0"),
        ({"gid": 1000}, "belongs to 0:1000"),
        ({"uname": "daemon"}, "belongs to 0:0 ('daemon':'')"),
        ({"gname": "daemon"}, "belongs to 0:0 ('':'daemon')"),
        ({"kind": tarfile.DIRTYPE, "mode": 0o777}, "has the mode 0777; allowed: 0755"),
    ],
)
def test_modes_and_owners_that_no_package_has(facts: dict, told: str, refused):
    other = entry("t/run.py", **{"kind": tarfile.REGTYPE} | facts)
    assert told in refused(tar_of(MANIFEST, (other, b"")))
    assert told in refused(deb_of(other))


def deb_of(*members: tarfile.TarInfo, more: bytes = b"", behind: bytes = b"") -> bytes:
    """A .deb of a package and the members, with more at the end of its tar, or behind its xz."""
    home = ("./opt/edgesmith/t/manifest.json", b"{}")
    data = gzip.decompress(tar_of(home, *((one, b"") for one in members)))
    data = data[: (2 + len(members)) * 512] + more + b"\0" * 1024
    control = gzip.decompress(tar_of(("./control", b"")))
    content = b"!<arch>\n"
    for name, body in (
        ("debian-binary", b"2.0\n"),
        ("control.tar.gz", gzip.compress(control)),
        ("data.tar.xz", lzma.compress(data) + behind),
    ):
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    return content


def test_a_deb_with_a_member_that_only_dpkg_sees(refused, tmp_path: Path):
    path = tmp_path / "good.deb"
    path.write_bytes(deb_of(entry("t/run.py", tarfile.REGTYPE, mode=0o755)))
    with opened(path) as found:
        assert set(found.around) == {"control/control", "data/t/run.py"}
    for link in (UNUSUAL["a link whose time Python can't read"], b"\1" * 512):
        assert "not as tar(1) writes one" in refused(deb_of(more=link))
    told = refused(deb_of(behind=lzma.compress(LINK + b"\0" * 1024)))
    assert "more behind the end of an .xz stream" in told


def test_files_beside_the_folder(refused):
    assert "'evil' lies beside" in refused(tar_of(MANIFEST, ("evil", b"")))


def test_too_many_members(refused, monkeypatch):
    monkeypatch.setattr(rules, "MOST_MEMBERS", 5)
    members = [(f"t/{number}", b"") for number in range(5)]
    assert "more than 5 members" in refused(tar_of(MANIFEST, *members))
    assert "more than 5 members" in refused(zip_of(MANIFEST, *members))


def bomb_zip() -> bytes:
    return zip_of(MANIFEST, ("t/bomb", b"\0" * 300_000_000))


def lying_zip() -> bytes:
    """Declares a thousand bytes of a member that has 300 million."""
    content = bytearray(bomb_zip())
    for mark, place in ((b"PK\x01\x02", 24), (b"PK\x03\x04", 22)):
        start = content.rindex(mark)
        content[start + place : start + place + 4] = struct.pack("<I", 1000)
    return bytes(content)


def bomb_tar() -> bytes:
    return tar_of(MANIFEST, ("t/bomb", b"\0" * 300_000_000))


def pax_bomb() -> bytes:
    """A record of 4 GB, of which a reader would make text."""
    head = entry("t/x", tarfile.XHDTYPE, size=4_000_000_000).tobuf(tarfile.GNU_FORMAT)
    packer = zlib.compressobj(9, wbits=31)
    zeros = (packer.compress(b"\0" * 10_000_000) for _ in range(40))
    return packer.compress(head) + b"".join(zeros) + packer.flush()


def many_pax() -> bytes:
    """A long record for each of thousands of files."""
    record = b"16000 a=" + b"x" * (16000 - 9) + b"\n"
    head = entry("x", tarfile.XHDTYPE, size=len(record)).tobuf(tarfile.GNU_FORMAT)
    block = head + record + b"\0" * (-len(record) % 512)
    packer = zlib.compressobj(9, wbits=31)
    files = (entry(f"t/{number}", tarfile.REGTYPE) for number in range(5000))
    members = (packer.compress(block + one.tobuf(tarfile.GNU_FORMAT)) for one in files)
    return b"".join(members) + packer.flush()


def nested_pax() -> bytes:
    """A record for a record for a record, without end."""
    head = entry("x", tarfile.XHDTYPE, size=512).tobuf(tarfile.GNU_FORMAT)
    return gzip.compress((head + b"9 a=bcde\n".ljust(512, b"\0")) * 50_000)


def sparse() -> bytes:
    """Ten billion bytes of hole, by the old GNU format: not one of them is in the archive."""
    head = bytearray(entry("t/x", tarfile.GNUTYPE_SPARSE).tobuf(tarfile.GNU_FORMAT))
    head[483:495] = b"112402762000"
    head[148:156] = b" " * 8
    head[148:156] = b"%06o\0 " % sum(head)
    return gzip.compress(gzip.decompress(tar_of(MANIFEST))[:1024] + bytes(head) + b"\0" * 1024)


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
