"""Whether what a .deb holds beside its package's folder is what the package says."""

import re
from collections.abc import Iterator

from pipeline.package.opening import Opened
from pipeline.verify_difference import Difference

COPIES = (
    (re.compile(r"control/([a-z.]+)"), r"debian/\1"),
    (re.compile(r"data/usr/lib/systemd/system/([^/]+\.service)"), r"\1"),
    (re.compile(r"data/usr/share/doc/[^/]+/copyright"), "LICENSE"),
)
"""What may lie there, and which file of the package it is a copy of. So the manifest, and its
signature, cover all that dpkg does: also a script that it would run as root."""


def around(package: Opened) -> Iterator[Difference]:
    """Every file that is not the copy that it should be. Other archives have none of these."""
    for path, one in sorted(package.around.items()):
        source = _source(path)
        if source is None:
            yield Difference(path, "is installed, where no package of edgesmith puts anything")
        elif source not in package.files:
            yield Difference(path, f"is installed, but the package has no {source} to copy")
        elif package.files[source].sha256 != one.sha256:
            expected = package.files[source].sha256
            yield Difference(path, f"has sha256 {one.sha256}; it copies {source}, {expected}")


def _source(path: str) -> str | None:
    for pattern, source in COPIES:
        found = pattern.fullmatch(path)
        if found:
            return found.expand(source)
    return None
