"""A tar's member that only some readers see, or as another file, is refused; also in a .deb."""

import gzip
import io
import lzma
import shutil
import subprocess
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.package.opening import opened

MANIFEST = ("t/manifest.json", b"{}")


def header(
    name: str, kind: bytes = tarfile.REGTYPE, link: str = "", form: int = tarfile.USTAR_FORMAT
) -> bytes:
    member = tarfile.TarInfo(name)
    member.type, member.linkname = kind, link
    return member.tobuf(form)


def with_checksum(header: bytes) -> bytes:
    blank = header[:148] + b" " * 8 + header[156:]
    return header[:148] + b"%06o\0 " % sum(blank) + header[156:]


def replaced(header: bytes, place: int, content: bytes) -> bytes:
    """A header with other bytes in one place, and a checksum that fits."""
    return with_checksum(header[:place] + content + header[place + len(content) :])


PLAIN = header("t/run.py")
LINK = header("t/run.py", tarfile.SYMTYPE, "/etc/passwd")
UNUSUAL = {
    "a link whose time Python can't read": replaced(LINK, 136, b"+AAAAAAAAAA\0"),
    "a link whose checksum Python can't read": LINK[:148] + b"+AAAAAA\0" + LINK[156:],
    "a number that Python alone reads": replaced(PLAIN, 124, b"0o0\0"),
    "a checksum that Python alone reads": PLAIN[:148] + b"0o%05o\0" % 0 + PLAIN[156:],
    "a prefix that only some read": replaced(
        header("t/run.py", form=tarfile.GNU_FORMAT), 345, b"elsewhere"
    ),
    "more behind the end of a name": replaced(PLAIN, 20, b"evil"),
    "a file that links": replaced(PLAIN, 157, b"/etc/passwd"),
    "a folder with content": replaced(header("t/d", tarfile.DIRTYPE), 124, b"00000001000\0"),
    "noise": b"\1" * 512,
}


@pytest.mark.parametrize("kind", UNUSUAL)
def test_a_header_that_another_reader_may_take_for_something_else(kind: str, refused, tar_of):
    """GNU tar reads on behind a header that Python takes for the end."""
    whole = gzip.decompress(tar_of(MANIFEST))[:1024]
    for tail in (b"\0" * 1024, b""):
        told = refused(gzip.compress(whole + UNUSUAL[kind] + tail))
        assert "not as tar(1) writes one of a plain file" in told


def test_gnu_tar_takes_what_is_refused(tmp_path: Path, tar_of):
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
def test_a_header_that_changes_the_next(kind: bytes, refused, tar_of, tar_entry):
    told = refused(tar_of((tar_entry("x", kind), b"20 path=t/evil.txt\n"), MANIFEST))
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
def test_modes_and_owners_that_no_package_has(
    facts: dict, told: str, refused, tar_of, tar_entry, deb_of
):
    other = tar_entry("t/run.py", **facts)
    assert told in refused(tar_of(MANIFEST, (other, b"")))
    assert told in refused(deb_of(other))


@pytest.fixture
def deb_of(tar_of) -> Callable[..., bytes]:
    """A .deb of a package and more members, with more at the end of its tar, or behind its xz."""

    def make(*members: tarfile.TarInfo, more: bytes = b"", behind: bytes = b"") -> bytes:
        home = ("./opt/edgesmith/t/manifest.json", b"{}")
        data = gzip.decompress(tar_of(home, *((one, b"") for one in members)))
        data = data[: (2 + len(members)) * 512] + more + b"\0" * 1024
        content = b"!<arch>\n"
        for name, body in (
            ("debian-binary", b"2.0\n"),
            ("control.tar.gz", tar_of(("./control", b""))),
            ("data.tar.xz", lzma.compress(data) + behind),
        ):
            content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
            content += body + b"\n" * (len(body) % 2)
        return content

    return make


def test_a_deb_with_a_member_that_only_dpkg_sees(refused, tmp_path: Path, tar_entry, deb_of):
    path = tmp_path / "good.deb"
    path.write_bytes(deb_of(tar_entry("t/run.py", mode=0o755)))
    with opened(path) as found:
        assert set(found.around) == {"control/control", "data/t/run.py"}
    for link in (UNUSUAL["a link whose time Python can't read"], b"\1" * 512):
        assert "not as tar(1) writes one" in refused(deb_of(more=link))
    told = refused(deb_of(behind=lzma.compress(LINK + b"\0" * 1024)))
    assert "more behind the end of an .xz stream" in told
