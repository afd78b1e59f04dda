"""What a package's archive may contain: names that stay inside, and no more than is bearable."""

import unicodedata
from collections.abc import Callable, Mapping
from pathlib import PurePosixPath

from targets.errors import PackageRefused

MOST_MEMBERS = 10_000
MOST_BYTES = 4 * 1024**3
"""Unpacked, all members together."""

MOST_EXPANSION = 200
FREE_BYTES = 64 * 1024**2
"""An archive may unpack to so much, or to MOST_EXPANSION times its own size where that is more:
deflate gives up to 1,032 times (zlib's technical details), weights hardly ever 2."""

LONGEST_NAME_BYTES = 512
LONGEST_PART_BYTES = 255  # NAME_MAX of the usual file systems

FILE_MODES = (0o644, 0o755)
FOLDER_MODES = (0o755,)
"""What files and folders are packed with (pipeline/package/archive.py)."""


def inside(name: str) -> str:
    """The name of a member as a path below the folder it is unpacked in, without "./".

    Raises PackageRefused for what could lead elsewhere on any system: an absolute path, "..",
    a backslash, a drive, and characters that can't be seen.
    """
    path = name.removeprefix("./").removesuffix("/")
    fault = next((told for told, broken in FAULTS.items() if broken(path)), None)
    if fault:
        raise PackageRefused(f"a member is called {_quoted(name)}: {fault}")
    return path


def refuse_mode(name: str, mode: int, folder: bool) -> None:
    """Raises PackageRefused for permissions that no package's files have.

    Whoever unpacks sets them: also that all may write, or that a program runs as its owner.
    """
    allowed = FOLDER_MODES if folder else FILE_MODES
    if mode not in allowed:
        told = " or ".join(f"{one:04o}" for one in allowed)
        raise PackageRefused(f"{name} has the mode {mode:04o}; allowed: {told}")


FAULTS: Mapping[str, Callable[[str], bool]] = {
    "it leads outside the package": lambda path: ".." in path.split("/"),
    "an absolute path leads outside the package": lambda path: path.startswith("/"),
    "a backslash or a colon leads outside on some systems": lambda path: bool({*":\\"} & {*path}),
    "it can't all be printed": lambda path: not path.isprintable(),
    "not a path in its shortest form": lambda path: bool({"", "."} & {*path.split("/")}),
    "it is too long": lambda path: (
        len(path.encode()) > LONGEST_NAME_BYTES
        or max(len(part.encode()) for part in path.split("/")) > LONGEST_PART_BYTES
    ),
}
"""What no name may be, each told in words; in this order, so that what can't be printed can't be
encoded either and goes no further."""


def _quoted(name: str) -> str:
    return ascii(name if len(name) <= 80 else f"{name[:80]}…")


class Ledger:
    """What an archive has given so far; refuses the member or the byte that is too much."""

    def __init__(self, archive_bytes: int) -> None:
        """Takes the size of the archive's file, by which its expansion is judged."""
        self.most_bytes = min(MOST_BYTES, max(FREE_BYTES, MOST_EXPANSION * archive_bytes))
        self._members = 0
        self._spent = 0
        self._files: dict[str, str] = {}
        self._folders: set[str] = set()

    def admit(self, name: str, size_bytes: int) -> str:
        """Takes in a file before anything of it is read; gives its safe path.

        Raises PackageRefused for a name that leads outside or that another member has too (also in
        another case: some file systems see no difference), and for more than is allowed.
        """
        path = inside(name)
        self._count()
        if size_bytes > self.most_bytes - self._spent:
            self._refuse_size(f"{_quoted(path)} alone declares {size_bytes:,} bytes")
        self._claim(path)
        return path

    def admit_folder(self, name: str) -> None:
        """Takes in a folder's own entry, which makes nothing. Raises as `admit` does."""
        self._count()
        if name not in (".", "./"):
            inside(name)

    def spend(self, count_bytes: int) -> None:
        """Takes in bytes that came out of the archive."""
        self._spent += count_bytes
        if self._spent > self.most_bytes:
            self._refuse_size("it goes on")

    def _count(self) -> None:
        self._members += 1
        if self._members > MOST_MEMBERS:
            raise PackageRefused(f"more than {MOST_MEMBERS:,} members; no package has so many")

    def _refuse_size(self, what: str) -> None:
        raise PackageRefused(
            f"it unpacks to more than {self.most_bytes:,} bytes ({what}); an archive of its size "
            "may not, so that a small file can't fill a disk"
        )

    def _claim(self, path: str) -> None:
        key = unicodedata.normalize("NFC", path).casefold()
        above = {str(one) for one in PurePosixPath(key).parents} - {"."}
        taken = next((one for one in (key, *above) if one in self._files), None)
        if taken is not None or key in self._folders:
            other = self._files[taken] if taken is not None else f"{path}/"
            raise PackageRefused(
                f"two members for one place: {_quoted(path)} and {_quoted(other)}; which of them "
                "counts would depend on who unpacks it"
            )
        self._files[key] = path
        self._folders |= above
