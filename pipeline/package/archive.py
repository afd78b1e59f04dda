"""Archives that are the same bytes whenever and wherever they are made."""

import gzip
import io
import os
import re
import tarfile
from collections.abc import Mapping

from targets.errors import UsageError

EXECUTABLE = (".sh", "run.py")


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
    member.mode = 0o755 if path.endswith(EXECUTABLE) else 0o644
    return member


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
