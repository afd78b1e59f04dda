"""Archives made to harm: refused, with nothing written elsewhere."""

import gzip
import stat
import struct
import tarfile

import pytest

from pipeline.package.opening import rules

MANIFEST = ("t/manifest.json", b"{}")
OUTSIDE = (
    *("../evil", "t/../../evil", "/tmp/evil", "t/..", "..", "t\\..\\..\\evil", "C:\\evil"),
    *("c:evil", "t//evil", "t/./evil", "t/\x00evil", "t/\nevil", "t/\u202eevil", ""),
    *("t/" + "a" * 300, "/".join(["t"] + ["a"] * 400)),
)


@pytest.mark.parametrize("name", OUTSIDE, ids=ascii)
def test_a_zip_with_a_path_outside(name: str, refused, zip_of):
    assert "a member is called" in refused(zip_of(MANIFEST, (name, b"evil")))


@pytest.mark.parametrize("name", [name for name in OUTSIDE if "\0" not in name], ids=ascii)
def test_a_tar_with_a_path_outside(name: str, refused, tar_of):
    # a longer name than a header has room for takes another header, which is refused unread
    told = "a member is called" if len(name) <= tarfile.LENGTH_NAME else "an extended header"
    assert told in refused(tar_of(MANIFEST, (name, b"evil")))


@pytest.mark.parametrize("mode", [stat.S_IFLNK, stat.S_IFCHR, stat.S_IFIFO])
def test_a_zip_with_a_link_or_a_device(mode: int, refused, zip_of, zip_entry):
    assert "a link or a device" in refused(zip_of(MANIFEST, (zip_entry("t/x", mode), b"/etc")))


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
def test_a_tar_with_what_is_no_file(kind: bytes, told: str, refused, tar_of, tar_entry):
    assert told in refused(tar_of(MANIFEST, (tar_entry("t/x", kind, linkname="/etc/passwd"), b"")))


def test_a_link_and_then_a_file_through_it(refused, tar_of, tar_entry):
    link = tar_entry("t/model", tarfile.SYMTYPE, linkname="/tmp")
    assert "a symbolic link" in refused(tar_of(MANIFEST, (link, b""), ("t/model/evil", b"evil")))


@pytest.mark.parametrize(
    "names",
    [
        *(("t/a", "t/a"), ("t/a", "t/A"), ("t/a", "t/a/b"), ("t/a/b", "t/a")),
        ("t/\u00e9", "t/e\u0301"),
    ],
)
def test_two_members_for_one_place(names: tuple[str, str], refused, zip_of, tar_of):
    members = [(name, b"") for name in names]
    assert "two members for one place" in refused(tar_of(MANIFEST, *members))
    assert "two members for one place" in refused(zip_of(MANIFEST, *members))


def test_an_encrypted_or_strangely_packed_member(refused, zip_of):
    content = bytearray(zip_of(MANIFEST))
    directory = content.index(b"PK\x01\x02")
    content[directory + 8] |= 1
    assert "is encrypted" in refused(bytes(content))
    content[directory + 8] ^= 1
    content[directory + 10] = 14
    assert "compressed by method 14" in refused(bytes(content))


def test_members_that_overlap(refused, zip_of):
    content = zip_of(("t/a", b"a" * 100), ("t/b", b"b" * 100), MANIFEST)
    second = content.index(b"PK\x01\x02", content.index(b"PK\x01\x02") + 1)
    overlapping = bytearray(content)
    overlapping[second + 42 : second + 46] = struct.pack("<I", 10)
    assert "overlaps" in refused(bytes(overlapping))


def test_more_behind_the_end_of_a_tar(refused, tar_of):
    stream = gzip.decompress(tar_of(MANIFEST)) + b"evil"
    assert "more behind the end" in refused(gzip.compress(stream))


def test_files_beside_the_folder(refused, tar_of):
    assert "'evil' lies beside" in refused(tar_of(MANIFEST, ("evil", b"")))


def test_too_many_members(refused, monkeypatch, zip_of, tar_of):
    monkeypatch.setattr(rules, "MOST_MEMBERS", 5)
    members = [(f"t/{number}", b"") for number in range(5)]
    assert "more than 5 members" in refused(tar_of(MANIFEST, *members))
    assert "more than 5 members" in refused(zip_of(MANIFEST, *members))
