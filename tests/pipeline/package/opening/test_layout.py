"""A zip that is more than its directory says is refused: readers of streams see the rest."""

import io
import stat
import struct
import zipfile
import zlib

import pytest

MANIFEST = ("t/manifest.json", b"{}")
LOCAL, CENTRAL = b"PK\x03\x04", b"PK\x01\x02"


def moved(content: bytes, count: int, start: int = 0) -> bytes:
    """A zip whose members from a place on lie so many bytes further, and whose directory knows."""
    changed = bytearray(content)
    entry = changed.find(CENTRAL)
    while entry >= 0:
        (place,) = struct.unpack("<I", changed[entry + 42 : entry + 46])
        if place >= start:
            changed[entry + 42 : entry + 46] = struct.pack("<I", place + count)
        entry = changed.find(CENTRAL, entry + 1)
    (place,) = struct.unpack("<I", changed[-6:-2])
    changed[-6:-2] = struct.pack("<I", place + count)
    return bytes(changed)


WHERE = {
    "in front": "before 't/manifest.json' that no member has",
    "in front, which is passed over": "before 't/manifest.json' that no member has",
    "between two": "before 't/run.py' that no member has",
    "before the directory": "before its directory that no member has",
    "behind the directory": "before 't/manifest.json' that no member has",  # as others count
    "in a comment": "behind its directory is more",
}


def hiding(whole: bytes, more: bytes, where: str) -> bytes:
    """An archive that Python reads as two members, and a reader of streams as three."""
    second, directory = whole.index(LOCAL, 1), whole.index(CENTRAL)
    end = whole.index(b"PK\x05\x06")
    return {
        "in front": more + moved(whole, len(more)),
        "in front, which is passed over": more + whole,
        "between two": whole[:second] + more + moved(whole, len(more), 1)[second:],
        "before the directory": (
            whole[:directory] + more + moved(whole, len(more), directory)[directory:]
        ),
        "behind the directory": whole[:end] + whole[directory:end] + whole[end:],
        "in a comment": whole[:-2] + struct.pack("<H", len(more)) + more,
    }[where]


@pytest.mark.parametrize("where", WHERE)
def test_a_zip_with_what_its_directory_does_not_name(where: str, refused, zip_of):
    more = zip_of(("t/run.py", b"evil"))
    more = more[: more.index(CENTRAL)]
    content = hiding(zip_of(MANIFEST, ("t/run.py", b"good")), more, where)
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert [one.filename for one in archive.infolist()] == ["t/manifest.json", "t/run.py"]
    assert WHERE[where] in refused(content)


def changed_at(content: bytes, mark: bytes, place: int, value: bytes) -> bytes:
    start = content.index(mark) + place
    return content[:start] + value + content[start + len(value) :]


@pytest.mark.parametrize(
    ("mark", "place", "value", "told"),
    [
        (LOCAL, 8, b"\0\0", "is not what the archive's directory says of it"),  # the method
        (LOCAL, 14, b"abcd", "is not what the archive's directory says of it"),  # its checksum
        (LOCAL, 22, b"\1", "is not what the archive's directory says of it"),  # its size
        (LOCAL, 6, b"\x08", "is not what the archive's directory says of it"),  # sizes behind it
        (CENTRAL, 8, b"\x08", "is written in parts (flags 0x8)"),
        (CENTRAL, 10, b"\0\0", "is stored, and has two sizes"),
        (b"PK\x05\x06", 8, b"\0\0", "behind its directory is more"),  # how many there are
        (b"PK\x05\x06", 16, b"\0\0", "before 't/manifest.json' that no member has"),
    ],
)
def test_a_zip_that_says_two_things(
    mark: bytes, place: int, value: bytes, told: str, refused, zip_of
):
    assert told in refused(changed_at(zip_of(MANIFEST), mark, place, value))


def test_a_zip_with_more_behind_a_deflated_stream(refused, zip_of):
    """Python passes over it; bsdtar looks there for the next member."""
    more, whole = zip_of(("t/run.py", b"evil")), zip_of(MANIFEST)
    more, place = more[: more.index(CENTRAL)], whole.index(CENTRAL)
    content = whole[:place] + more + moved(whole, len(more), place)[place:]
    (packed,) = struct.unpack("<I", whole[18:22])
    for mark, at in ((LOCAL, 18), (CENTRAL, 20)):
        content = changed_at(content, mark, at, struct.pack("<I", packed + len(more)))
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        assert archive.namelist() == ["t/manifest.json"]
    assert "more behind the end of a deflated stream" in refused(content)


def test_a_zip_with_a_field_of_another_name(refused, zip_of, zip_entry):
    """Info-ZIP takes a name from it (APPNOTE 4.6.9)."""
    info = zip_entry("t/x", stat.S_IFREG | 0o644)
    name = b"t/run.py"
    info.extra = struct.pack("<HHBI", 0x7075, 5 + len(name), 1, zlib.crc32(b"t/x")) + name
    assert "'t/x' has the extra field 0x7075" in refused(zip_of(MANIFEST, (info, b"evil")))


@pytest.mark.parametrize(
    ("name", "mode", "told"),
    [
        ("t/x", stat.S_IFREG | 0o4755, "'t/x' has the mode 4755; allowed: 0644 or 0755"),
        ("t/x", stat.S_IFREG | 0o666, "has the mode 0666"),
        ("t/x/", stat.S_IFDIR | 0o777, "has the mode 0777; allowed: 0755"),
        ("t/x", stat.S_IFDIR | 0o755, "a package's files are plain files"),
        ("t/x/", stat.S_IFREG | 0o755, "a package's files are plain files"),
        ("t/x", 0o644, "'t/x' is marked by 0x01a40000 of system 3"),
    ],
)
def test_a_zip_with_modes_that_no_package_has(
    name: str, mode: int, told: str, refused, zip_of, zip_entry
):
    assert told in refused(zip_of(MANIFEST, (zip_entry(name, mode), b"")))


def test_a_zip_of_another_system(refused, zip_of, zip_entry):
    info = zip_entry("t/x", stat.S_IFREG | 0o644)
    info.create_system = 0
    assert "of system 0" in refused(zip_of(MANIFEST, (info, b"")))


def test_a_folder_in_a_zip_that_has_content(refused, zip_of, zip_entry):
    info = zip_entry("t/x/", stat.S_IFDIR | 0o755)
    assert "is a folder with content" in refused(zip_of(MANIFEST, (info, b"evil")))
