"""A .deb that is the same bytes whenever and wherever it is made (deb(5), deb-control(5)).

Made by hand: dpkg-deb is not everywhere, and its bytes differ by version. It has no maintainer
scripts, so it installs below any root.
"""

import io
from collections.abc import Iterator, Mapping

from pipeline.package.archive import epoch, packed_tar

MAGIC = b"!<arch>\n"


def deb(control: bytes, installed: Mapping[str, bytes]) -> bytes:
    """The archive.

    Args:
        control: the file `control`.
        installed: contents by their path on the device, without the leading slash.
    """
    parts = {
        "debian-binary": b"2.0\n",
        "control.tar.gz": packed_tar({"control": control}),
        "data.tar.gz": packed_tar(installed, folders=folders(installed)),
    }
    stream = io.BytesIO(MAGIC)
    stream.seek(len(MAGIC))
    for name, content in parts.items():
        stream.write(_header(name, len(content)) + content + b"\n" * (len(content) % 2))
    return stream.getvalue()


def folders(paths: Mapping[str, bytes]) -> list[str]:
    """Every folder above these paths: dpkg makes none that the archive does not hold."""
    found = {above for path in paths for above in _above(path)}
    return sorted(found)


def _above(path: str) -> Iterator[str]:
    parts = path.split("/")[:-1]
    for depth in range(1, len(parts) + 1):
        yield "/".join(parts[:depth])


def _header(name: str, size_bytes: int) -> bytes:
    """A member's of the common ar format: root's, a plain file."""
    return f"{name:<16}{epoch():<12}{0:<6}{0:<6}{'100644':<8}{size_bytes:<10}`\n".encode("ascii")
