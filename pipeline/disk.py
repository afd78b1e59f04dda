"""Writing that survives: whole or not at all, and told plainly where the disk refuses."""

import contextlib
import errno
import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from targets.errors import EnvironmentFault

TEMPORARY = ".tmp-"
"""What the names of unfinished files and folders begin with; nobody else's do."""

_CURES = {
    errno.ENOSPC: "the disk or its quota is full: free some space and run the same command again",
    errno.EACCES: "permission denied: choose another folder or change its permissions",
    errno.EPERM: "not permitted: choose another folder or change its permissions",
    errno.EROFS: "the file system is read-only: choose another folder",
    errno.EIO: "the disk fails to read or write: choose another disk",
}
_FULL = ("no space left on device", "disk quota exceeded")


@contextmanager
def environment_faults(path: Path) -> Iterator[None]:
    """Raises EnvironmentFault, naming the path and the cure, where the disk is what failed.

    Libraries that write in native code report a full disk as some other exception: its text tells.
    """
    try:
        yield
    except EnvironmentFault:
        raise
    except Exception as error:
        if any(_says_full(cause) for cause in _causes(error)):
            raise EnvironmentFault(f"{path}: {_CURES[errno.ENOSPC]}") from error
        if isinstance(error, OSError) and error.errno in _CURES:
            raise EnvironmentFault(f"{error.filename or path}: {_CURES[error.errno]}") from error
        raise


def _causes(error: BaseException | None) -> Iterator[BaseException]:
    """The error and all behind it, each once: a chain may lead back to where it began."""
    seen: set[int] = set()
    while error is not None and id(error) not in seen:
        seen.add(id(error))
        yield error
        error = error.__cause__ or error.__context__


def _says_full(error: BaseException) -> bool:
    return any(words in str(error).lower() for words in _FULL)


def make_folder(folder: Path) -> None:
    """Makes a folder and those above it; EnvironmentFault where that can't be."""
    try:
        with environment_faults(folder):
            folder.mkdir(parents=True, exist_ok=True)
    except OSError as error:
        raise EnvironmentFault(
            f"{folder}: can't be made: {error.strerror}; choose another folder"
        ) from error


def atomic_write(path: Path, content: bytes | str) -> None:
    """Writes a file so that at any moment either the old one is there or the new one.

    Raises EnvironmentFault for a full disk or a folder that may not be written.
    """
    data = content.encode() if isinstance(content, str) else content
    with environment_faults(path):
        handle, name = tempfile.mkstemp(prefix=TEMPORARY, dir=path.parent)
        try:
            with os.fdopen(handle, "wb") as stream:
                stream.write(data)
                os.fchmod(stream.fileno(), 0o644)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
            synchronise(path.parent)
        except BaseException:
            with contextlib.suppress(OSError):
                Path(name).unlink(missing_ok=True)
            raise


def synchronise(path: Path) -> None:
    """Hands what is written of a file or a folder's list of names to the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def synchronise_tree(folder: Path) -> None:
    """Does so for a folder and all that is in it."""
    for path in sorted(folder.rglob("*")):
        if path.is_file() or path.is_dir():
            synchronise(path)
    synchronise(folder)
