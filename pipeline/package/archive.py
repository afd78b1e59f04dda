"""Archives that are the same bytes whenever and wherever they are made."""

import gzip
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Mapping, Sequence
from datetime import UTC, datetime
from typing import Literal

from targets.errors import UsageError

EXECUTABLE = (".sh", "run.py")
EARLIEST = datetime(1980, 1, 1, tzinfo=UTC)
"""What a .zip can tell."""


def tar_gz(folder: str, files: Mapping[str, bytes]) -> bytes:
    """A .tar.gz of the files below one folder: sorted, without owner, times from `epoch`.

    Args:
        folder: the name of the archive's only folder.
        files: contents by path relative to it.
    """
    return packed_tar({f"{folder}/{path}": content for path, content in files.items()})


def packed_tar(files: Mapping[str, bytes], folders: Sequence[str] = ()) -> bytes:
    """A .tar.gz of files by path, and of the folders that need members of their own."""
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted([*files, *folders]):
            content = files.get(path)
            tar.addfile(_member(path, content), io.BytesIO(content or b""))
    return stream.getvalue()


def _member(path: str, content: bytes | None) -> tarfile.TarInfo:
    """A file with content, or a folder without."""
    member = tarfile.TarInfo(path)
    member.size = len(content or b"")
    member.mtime = epoch()
    member.mode = 0o755 if content is None else _mode(path)
    member.type = tarfile.DIRTYPE if content is None else tarfile.REGTYPE
    return member


def zipped(files: Mapping[str, bytes], folder: str = "") -> bytes:
    """A .zip of the files: sorted, deflated, without owner, times from `epoch`.

    Args:
        files: contents by path.
        folder: the name of the archive's only folder; empty: the files lie at its root.
    """
    stream = io.BytesIO()
    prefix = f"{folder}/" if folder else ""
    _write(stream, {prefix + path: content for path, content in files.items()}, "w")
    return stream.getvalue()


def with_files(content: bytes, files: Mapping[str, bytes]) -> bytes:
    """The content with a .zip of the files behind it, not compressed: how a .tflite carries files.

    Args:
        content: anything.
        files: contents by path.
    """
    stream = io.BytesIO(content)
    _write(stream, files, "a", zipfile.ZIP_STORED)
    return stream.getvalue()


def _write(
    stream: io.BytesIO,
    files: Mapping[str, bytes],
    mode: Literal["w", "a"],
    method: int = zipfile.ZIP_DEFLATED,
) -> None:
    with zipfile.ZipFile(stream, mode) as archive:
        for path in sorted(files):
            archive.writestr(_entry(path), files[path], method, 9)


def _entry(path: str) -> zipfile.ZipInfo:
    at = max(datetime.fromtimestamp(epoch(), UTC), EARLIEST)
    when = (at.year, at.month, at.day, at.hour, at.minute, at.second)
    entry = zipfile.ZipInfo(path, when)
    entry.create_system = 3  # unix, whatever made it
    entry.external_attr = (0o100000 | _mode(path)) << 16
    return entry


def _mode(path: str) -> int:
    return 0o755 if path.endswith(EXECUTABLE) else 0o644


def epoch() -> int:
    """SOURCE_DATE_EPOCH (reproducible-builds.org), or 0.

    Raises:
        UsageError: it is set to something else than whole seconds.
    """
    text = os.environ.get("SOURCE_DATE_EPOCH", "0")
    if not text.isascii() or not text.isdigit():
        raise UsageError(f"SOURCE_DATE_EPOCH: found '{text}'; allowed: seconds since 1970")
    return int(text)


def slug(name: str) -> str:
    """A name that is safe as a file's: letters, digits, dots and dashes."""
    return re.sub(r"[^A-Za-z0-9.]+", "-", name).strip("-.")[:60] or "model"
