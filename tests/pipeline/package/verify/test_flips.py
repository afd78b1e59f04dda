"""200 flips of one byte of one member, the archive built anew: all found, in every package."""

import gzip
import io
import random
import tarfile
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.package.linux.deb import MAGIC
from pipeline.package.signing import SigningKey
from pipeline.packing import builder
from pipeline.verify import Asked, verified

Members = dict[str, bytes]
FLIPS = 200


@pytest.fixture(scope="module", params=["android", "ios", "linux", "mcu"])
def archives(request, tmp_path_factory, deliver, keys, make_artifact) -> dict[str, bytes]:
    """A platform's archives, signed."""
    if request.param == "mcu":
        pytest.importorskip("tflite_micro", reason="no tflite-micro; pip install 'edgesmith[mcu]'")
    made = make_artifact("tflite", tmp_path_factory.mktemp("tflite"))
    return builder(request.param)(deliver(made), SigningKey(keys.mine, "2030-01-01"))


@pytest.mark.slow
def test_every_flip_is_found(archives: dict[str, bytes], tmp_path: Path, keys):
    generator = random.Random(7)
    for name, whole in archives.items():
        path = tmp_path / name
        path.write_bytes(whole)
        assert verified(path, Asked(keys.public, True, keys.today)).holds
        members, rebuilt = taken_apart(whole)
        path.write_bytes(rebuilt({}))
        assert verified(path, Asked(keys.public, True, keys.today)).holds
        for _ in range(FLIPS):
            member = generator.choice(sorted(one for one in members if members[one]))
            content = bytearray(members[member])
            content[generator.randrange(len(content))] ^= generator.randrange(1, 256)
            path.write_bytes(rebuilt({member: bytes(content)}))
            assert not verified(path, Asked(today=keys.today)).holds, (name, member)


def taken_apart(whole: bytes) -> tuple[Members, Callable[[Members], bytes]]:
    """What an archive holds, and what builds it anew with some of it changed."""
    if whole.startswith(b"PK"):
        return of_zip(whole)
    if whole.startswith(MAGIC):
        return of_deb(whole)
    members, rebuilt = of_tar(gzip.decompress(whole))
    return members, lambda changed: gzip.compress(rebuilt(changed))


def of_zip(whole: bytes) -> tuple[Members, Callable[[Members], bytes]]:
    with zipfile.ZipFile(io.BytesIO(whole)) as archive:
        entries = {one.filename: one for one in archive.infolist()}
        members = {name: archive.read(name) for name in entries}

    def rebuilt(changed: Members) -> bytes:
        stream = io.BytesIO()
        with zipfile.ZipFile(stream, "w") as archive:
            for name, entry in entries.items():
                archive.writestr(entry, changed.get(name, members[name]))
        return stream.getvalue()

    return members, rebuilt


def of_tar(whole: bytes) -> tuple[Members, Callable[[Members], bytes]]:
    with tarfile.open(fileobj=io.BytesIO(whole)) as archive:
        entries = archive.getmembers()
        files = (one for one in entries if one.isfile())
        members = {one.name: archive.extractfile(one).read() for one in files}

    def rebuilt(changed: Members) -> bytes:
        stream = io.BytesIO()
        with tarfile.open(fileobj=stream, mode="w") as archive:
            for entry in entries:
                content = changed.get(entry.name, members.get(entry.name, b""))
                archive.addfile(entry, io.BytesIO(content))
        return stream.getvalue()

    return members, rebuilt


def of_deb(whole: bytes) -> tuple[Members, Callable[[Members], bytes]]:
    """Of its two tars; a member of the first is called "control:", one of the second "data:"."""
    parts, at = {}, len(MAGIC)
    while at < len(whole):
        header = whole[at : at + 60]
        size = int(header[48:58])
        parts[header[:16].decode().strip()] = (header, whole[at + 60 : at + 60 + size])
        at += 60 + size + size % 2
    apart = {
        name.split(".")[0]: of_tar(gzip.decompress(content))
        for name, (_, content) in parts.items()
        if name != "debian-binary"
    }
    members = {
        f"{part}:{name}": one for part, (found, _) in apart.items() for name, one in found.items()
    }

    def rebuilt(changed: Members) -> bytes:
        made = MAGIC
        for name, (header, content) in parts.items():
            part, packed = name.split(".")[0], content
            if part in apart:
                own = {key.partition(":")[2]: one for key, one in changed.items()
                       if key.startswith(f"{part}:")}  # fmt: skip
                packed = gzip.compress(apart[part][1](own))
            made += header[:48] + f"{len(packed):<10}".encode() + header[58:] + packed
            made += b"\n" * (len(packed) % 2)
        return made

    return members, rebuilt
