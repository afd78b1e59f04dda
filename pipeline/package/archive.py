"""Archives that are the same bytes whenever and wherever they are made."""

import gzip
import io
import os
import re
import tarfile
import zipfile
from collections.abc import Mapping
from datetime import UTC, datetime

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
    stream = io.BytesIO()
    with (
        gzip.GzipFile(filename="", mode="wb", compresslevel=9, fileobj=stream, mtime=0) as packed,
        tarfile.open(fileobj=packed, mode="w", format=tarfile.USTAR_FORMAT) as tar,
    ):
        for path in sorted(files):
            tar.addfile(_member(f"{folder}/{path}", files[path]), io.BytesIO(files[path]))
    return stream.getvalue()


def _member(path: str, content: bytes) -> tarfile.TarInfo:
    member = tarfile.TarInfo(path)
    member.size = len(content)
    member.mtime = epoch()
    member.mode = _mode(path)
    return member


def zipped(files: Mapping[str, bytes], folder: str = "") -> bytes:
    """A .zip of the files: sorted, deflated, without owner, times from `epoch`.

    Args:
        files: contents by path.
        folder: the name of the archive's only folder; empty: the files lie at its root.
    """
    stream = io.BytesIO()
    prefix = f"{folder}/" if folder else ""
    with zipfile.ZipFile(stream, "w") as archive:
        for path in sorted(files):
            archive.writestr(_entry(prefix + path), files[path], zipfile.ZIP_DEFLATED, 9)
    return stream.getvalue()


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
