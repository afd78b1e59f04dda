"""Wheels in a folder, and which of them fit a device: by the tags of their names (PEP 425, 600)."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from targets.errors import UsageError
from targets.probe import Probe

_NAME = re.compile(
    r"(?P<name>[A-Za-z0-9_.]+)-(?P<version>[A-Za-z0-9_.!+]+)(-\d[^-]*)?"
    r"-(?P<python>[a-z0-9_.]+)-(?P<abi>[a-z0-9_.]+)-(?P<platform>[A-Za-z0-9_.]+)\.whl"
)
_MANYLINUX = re.compile(r"manylinux_(\d+)_(\d+)_(\w+)")
_OLD_MANYLINUX = {"manylinux2014": (2, 17), "manylinux2010": (2, 12), "manylinux1": (2, 5)}


@dataclass(frozen=True)
class Wheel:
    """A wheel and the tags that its name states."""

    path: Path
    name: str
    pythons: tuple[str, ...]
    abis: tuple[str, ...]
    platforms: tuple[str, ...]

    @property
    def archive_name(self) -> str:
        """A name that a device's file may have."""
        return re.sub(r"[^A-Za-z0-9_.-]", "_", self.path.name)

    def fits(self, found: Probe) -> bool:
        """Whether the device's Python, C library and processor can load it."""
        return self._fits_python(found) and any(_loads(one, found) for one in self.platforms)

    def _fits_python(self, found: Probe) -> bool:
        if found.python is None:
            return False
        own = f"cp{found.python[0]}{found.python[1]}"
        if own in self.pythons or "py3" in self.pythons or "py2.py3" in self.pythons:
            return True
        older = [int(tag[3:]) for tag in self.pythons if re.fullmatch(r"cp3\d+", tag)]
        return "abi3" in self.abis and any(minor <= found.python[1] for minor in older)


def wheels_in(folder: Path) -> Iterator[Wheel]:
    """The wheels of a folder. Raises UsageError for no folder, or one without wheels."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder of wheels")
    named = [(path, _NAME.fullmatch(path.name)) for path in sorted(folder.glob("*.whl"))]
    if not any(match for _, match in named):
        raise UsageError(f"{folder} holds no wheels; `pip download` fetches some")
    for path, match in named:
        if match:
            tags = (tuple(match[part].split(".")) for part in ("python", "abi", "platform"))
            yield Wheel(path, match["name"], *tags)


def _loads(platform: str, found: Probe) -> bool:
    if platform == "any":
        return True
    for old, version in _OLD_MANYLINUX.items():
        if platform == f"{old}_{found.arch}":
            return found.glibc is not None and found.glibc >= version
    match = _MANYLINUX.fullmatch(platform)
    if match is None:
        return platform == f"linux_{found.arch}"
    least = (int(match[1]), int(match[2]))
    return match[3] == found.arch and found.glibc is not None and found.glibc >= least
