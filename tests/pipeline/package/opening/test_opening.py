"""Packages of each kind open, whoever made their archive; what is no package is told apart."""

import gzip
import io
import lzma
import stat
import tarfile
import zipfile
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.package.archive import tar_gz, zipped
from pipeline.package.opening import opened
from targets.errors import ArtifactError, PackageRefused

FILES = {"manifest.json": b"{}", "model/model.tflite": b"\0" * 1000, "empty.txt": b""}
CONTROL = {"control": b"Package: t\n", "postinst": b"#!/bin/sh\n"}
INSTALLED = {f"opt/edgesmith/t/{path}": content for path, content in FILES.items()}


def tar(files: dict[str, bytes], prefix: str) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for path, content in files.items():
            member = tarfile.TarInfo(prefix + path)
            member.size, member.mtime = len(content), 1_700_000_000
            archive.addfile(member, io.BytesIO(content))
    return stream.getvalue()


def ar(*parts: tuple[str, bytes]) -> bytes:
    content = b"!<arch>\n"
    for name, body in parts:
        content += f"{name:<16}{0:<12}{0:<6}{0:<6}{'100644':<8}{len(body):<10}`\n".encode()
        content += body + b"\n" * (len(body) % 2)
    return content


def deb(data: dict[str, bytes], control: dict[str, bytes] = CONTROL, pack=gzip.compress) -> bytes:
    suffix = {gzip.compress: "tar.gz", lzma.compress: "tar.xz"}.get(pack, "tar")
    return ar(
        ("debian-binary", b"2.0\n"),
        (f"control.{suffix}", pack(tar(control, "./"))),
        (f"data.{suffix}", pack(tar(data, "./"))),
    )


def as_file(folder: Path, content: bytes) -> Path:
    path = folder / "package"
    path.write_bytes(content)
    return path


ARCHIVES = {
    "our tar.gz": lambda: tar_gz("t", FILES),
    "our zip": lambda: zipped(FILES, "t"),
    "GNU tar.gz": lambda: gzip.compress(tar(FILES, "./t/")),
    "deb, gzip": lambda: deb(INSTALLED),
    "deb, xz": lambda: deb(INSTALLED, pack=lzma.compress),
    "deb, not packed": lambda: deb(INSTALLED, pack=bytes),
}


@pytest.mark.parametrize("kind", ARCHIVES)
def test_every_kind_opens(kind: str, tmp_path: Path):
    with opened(as_file(tmp_path, ARCHIVES[kind]())) as found:
        assert found.title == "t"
        assert {path: one.path.read_bytes() for path, one in found.files.items()} == FILES
        for path, one in found.files.items():
            assert one.path == found.root / path
            assert one.sha256 == sha256(FILES[path]).hexdigest()
            assert one.size_bytes == len(FILES[path])
        around = {f"control/{name}" for name in CONTROL} if kind.startswith("deb") else set()
        assert set(found.around) == around
    assert not found.root.exists()


def test_folders_of_their_own_are_passed_over(tmp_path: Path):
    stream = io.BytesIO(zipped(FILES, "t"))
    with zipfile.ZipFile(stream, "a") as archive:
        folder = zipfile.ZipInfo("t/model/")
        folder.external_attr = (stat.S_IFDIR | 0o755) << 16 | 0x10
        archive.writestr(folder, b"")
    with opened(as_file(tmp_path, stream.getvalue())) as found:
        assert set(found.files) == set(FILES)


def test_a_zip_with_what_takes_64_bits(tmp_path: Path, monkeypatch):
    """As zipfile writes it where something has more than 2 GiB."""
    monkeypatch.setattr(zipfile, "ZIP64_LIMIT", 100)
    with opened(as_file(tmp_path, zipped(FILES, "t"))) as found:
        assert {path: one.path.read_bytes() for path, one in found.files.items()} == FILES


def test_a_name_proves_nothing(tmp_path: Path):
    path = tmp_path / "package.zip"
    path.write_bytes(tar_gz("t", FILES))
    with opened(path) as found:
        assert set(found.files) == set(FILES)


def test_what_a_deb_installs_elsewhere_is_told(tmp_path: Path):
    unit = {"lib/systemd/system/t.service": b"[Unit]\n"}
    with opened(as_file(tmp_path, deb(INSTALLED | unit))) as found:
        assert set(found.files) == set(FILES)
        assert "data/lib/systemd/system/t.service" in found.around


NO_PACKAGE = {
    "empty": (b"", "is empty"),
    "text": (b"hello, world", "begins with b'hello, w'"),
    "an empty zip": (b"PK\x05\x06" + b"\0" * 18, "no folders with a manifest.json"),
    "no manifest": (tar_gz("t", {"a": b""}), "no folders with a manifest.json"),
    "a manifest too deep": (tar_gz("t", {"a/manifest.json": b""}), "no folders with"),
    "two packages": (zipped({"a/manifest.json": b"", "b/manifest.json": b""}), "2 folders with"),
    "an ar of no deb": (ar(("x", b"2.0\n")), "not the three parts"),
    "an empty ar": (b"!<arch>\n", "no parts"),
    "a deb of version 3": (
        ar(("debian-binary", b"3.0\n"), ("control.tar", b""), ("data.tar", b"")),
        "not version 2.0",
    ),
}


@pytest.mark.parametrize("kind", NO_PACKAGE)
def test_what_is_no_package_is_told(kind: str, tmp_path: Path):
    content, told = NO_PACKAGE[kind]
    with pytest.raises(ArtifactError, match=told), opened(as_file(tmp_path, content)):
        pass


def test_a_folder_and_nothing_are_told(tmp_path: Path):
    for path, told in ((tmp_path, "a folder"), (tmp_path / "no.zip", "no such file")):
        with pytest.raises(ArtifactError, match=told), opened(path):
            pass


@pytest.mark.parametrize("kind", ARCHIVES)
def test_an_archive_cut_off_anywhere_is_told(kind: str, tmp_path: Path):
    whole = ARCHIVES[kind]()
    for share in (0.01, 0.1, 0.3, 0.5, 0.7, 0.9, 0.99):
        with (
            pytest.raises((ArtifactError, PackageRefused)),
            opened(as_file(tmp_path, whole[: int(len(whole) * share)])),
        ):
            pass


def test_a_damaged_member_of_a_zip_is_told(tmp_path: Path):
    content = bytearray(zipped(FILES, "t"))
    place = content.index(b"model.tflite") + len("model.tflite") + 2
    content[place] ^= 1
    with pytest.raises(ArtifactError, match="damaged"), opened(as_file(tmp_path, bytes(content))):
        pass
