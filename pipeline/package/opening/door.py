"""Unpacks a package into a private folder: the only way in which one is opened."""

import gzip
import os
import tempfile
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import BinaryIO

from pipeline.disk import environment_faults
from pipeline.package.manifest import NAME
from pipeline.package.opening import debian, tarred, zipped
from pipeline.package.opening.entry import Entry
from pipeline.package.opening.rules import Ledger
from targets.errors import ArtifactError, PackageRefused

INSTALLED = f"{debian.DATA}/opt/edgesmith/"
"""Below what a .deb holds the package's folder."""

Reader = Callable[[Path, BinaryIO, Ledger], Iterator[Entry]]


@dataclass(frozen=True)
class Member:
    """An unpacked file.

    Attributes:
        path: where it lies now.
        sha256: of its content, in hex.
        size_bytes: of its content.
    """

    path: Path
    sha256: str
    size_bytes: int


@dataclass(frozen=True)
class Opened:
    """A package whose archive kept the rules; nothing else is known of it yet.

    Attributes:
        root: the private folder's folder that the package's files lie in.
        title: what that folder is called in the archive.
        files: each file of the package by its path below the root.
        around: of a .deb, what lies outside the package's folder: dpkg's own files below
            "control/", all others below "data/". Of other archives nothing may.
    """

    root: Path
    title: str
    files: Mapping[str, Member]
    around: Mapping[str, Member] = field(default_factory=dict)


@contextmanager
def opened(path: Path) -> Iterator[Opened]:
    """A package's files in a private folder, which is gone afterwards.

    Raises:
        ArtifactError: there is no such file, it is no package, or its archive is damaged.
        PackageRefused: the archive breaks the rules of `rules`, or has files beside its folder.
        EnvironmentFault: the disk refuses.
    """
    if not path.is_file():
        fault = "a folder; give the archive" if path.is_dir() else "no such file"
        raise ArtifactError(f"{path}: {fault}; a package is a .zip, .tar.gz or .deb")
    with environment_faults(path), tempfile.TemporaryDirectory(prefix="edgesmith-") as folder:
        yield _unpacked(path, Path(folder))


def _unpacked(path: Path, folder: Path) -> Opened:
    try:
        with path.open("rb") as file:
            read = _reader(path, file)
            members = _stored(read(path, file, ledger := Ledger(_size(file))), folder, ledger)
        return _within(path, members, INSTALLED if read is debian.entries else "")
    except PackageRefused as error:
        raise PackageRefused(f"{path}: refused: {error}") from error


def _size(file: BinaryIO) -> int:
    return os.fstat(file.fileno()).st_size


def _reader(path: Path, file: BinaryIO) -> Reader:
    """By the file's first bytes: a name proves nothing."""
    begins = file.read(8)
    file.seek(0)
    if begins.startswith((b"PK\x03\x04", b"PK\x05\x06")):
        return zipped.entries
    if begins.startswith(b"\x1f\x8b"):
        return _tar_gz
    if begins == debian.MAGIC:
        return debian.entries
    found = f"begins with {begins!r}" if begins else "is empty"
    raise ArtifactError(f"{path}: the file {found}, as no .zip, .tar.gz or .deb does")


def _tar_gz(path: Path, file: BinaryIO, ledger: Ledger) -> Iterator[Entry]:
    return tarred.entries(path, gzip.GzipFile(fileobj=file), ledger)


def _stored(entries: Iterator[Entry], folder: Path, ledger: Ledger) -> dict[str, Member]:
    """Every file of an archive, written below the folder, by its path."""
    found = {}
    for entry in entries:
        name = ledger.admit(entry.name, entry.size_bytes)
        found[name] = _store(entry, name, folder)
    return found


def _store(entry: Entry, name: str, folder: Path) -> Member:
    target = folder / name
    target.parent.mkdir(parents=True, exist_ok=True)
    digest, size_bytes = sha256(), 0
    with target.open("xb") as stream:
        for chunk in entry.chunks:
            digest.update(chunk)
            size_bytes += len(chunk)
            stream.write(chunk)
    if size_bytes != entry.size_bytes:
        raise PackageRefused(f"'{name}' has {size_bytes:,} bytes, declared {entry.size_bytes:,}")
    return Member(target, digest.hexdigest(), size_bytes)


def _within(path: Path, members: Mapping[str, Member], above: str) -> Opened:
    """The package's folder among what was unpacked: that of the one manifest at its depth."""
    depth = above.count("/") + 1
    homes = [
        name.removesuffix(NAME)
        for name in members
        if name.startswith(above) and name.endswith(f"/{NAME}") and name.count("/") == depth
    ]
    if len(homes) != 1:
        raise ArtifactError(f"{path}: {len(homes) or 'no'} folders with a {NAME}; a package has 1")
    (home,) = homes
    inner = {name.removeprefix(home): one for name, one in members.items() if name.startswith(home)}
    around = {name: one for name, one in members.items() if not name.startswith(home)}
    if around and not above:
        raise PackageRefused(f"'{min(around)}' lies beside the package's folder")
    return Opened(inner[NAME].path.parent, home.removeprefix(above).rstrip("/"), inner, around)
