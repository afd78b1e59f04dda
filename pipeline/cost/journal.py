"""The journal of a probing: a line for everything that was done, so that a kill costs nothing.

FOLDER/KEY.json     the finished table
FOLDER/KEY.jsonl    the journal of an unfinished one: the last line about a name counts
FOLDER/KEY.work/    artifacts that were made and not yet measured
FOLDER/KEY.lock     held while somebody probes
"""

import fcntl
import os
import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pydantic import ValidationError

from pipeline.cost.sites import Part
from pipeline.cost.table import Probe, Staircase
from pipeline.disk import environment_faults, make_folder
from targets.errors import FolderInUse


def cache_folder() -> Path:
    """Where tables are kept for other runs: $XDG_CACHE_HOME/edgesmith/cost."""
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "edgesmith" / "cost"


class _Line(Part):
    """One line: something that was found, and the seconds spent so far."""

    seconds: float
    probe: Probe | None = None
    staircase: Staircase | None = None


class Journal:
    """What was done so far. Made by `open_journal`, which holds the lock."""

    def __init__(self, path: Path, work: Path) -> None:
        """Reads what an earlier process left; a line that was cut off in the middle is no line."""
        self.work = work
        self.seconds = 0.0
        self.probes: dict[str, Probe] = {}
        self.staircases: dict[str, Staircase] = {}
        self._path = path
        text = path.read_text(encoding="utf-8") if path.exists() else ""
        for line in text.splitlines():
            try:
                self._take(_Line.model_validate_json(line))
            except ValidationError:
                continue
        if text and not text.endswith("\n"):
            self._append("")

    def note(self, found: Probe | Staircase) -> None:
        """Keeps what was found, on the disk before this returns."""
        if isinstance(found, Probe):
            line = _Line(seconds=self.seconds, probe=found)
        else:
            line = _Line(seconds=self.seconds, staircase=found)
        self._append(line.model_dump_json(exclude_none=True))
        self._take(line)

    def close(self) -> None:
        """Removes the journal and its artifacts: the table has all of it."""
        with environment_faults(self._path):
            self._path.unlink(missing_ok=True)
            shutil.rmtree(self.work, ignore_errors=True)

    def _take(self, line: _Line) -> None:
        self.seconds = line.seconds
        if line.probe is not None:
            self.probes[line.probe.name] = line.probe
        if line.staircase is not None:
            self.staircases[line.staircase.name] = line.staircase

    def _append(self, text: str) -> None:
        with environment_faults(self._path), self._path.open("a", encoding="utf-8") as stream:
            stream.write(text + "\n")
            stream.flush()
            os.fsync(stream.fileno())


@contextmanager
def open_journal(folder: Path, digest: str) -> Iterator[Journal]:
    """The journal of a key. Raises FolderInUse where another process probes for the same key."""
    make_folder(folder)
    with environment_faults(folder):
        handle = os.open(folder / f"{digest}.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o644)
    try:
        _lock(handle, folder / f"{digest}.lock")
        with environment_faults(folder):
            yield Journal(folder / f"{digest}.jsonl", folder / f"{digest}.work")
    finally:
        os.close(handle)


def _lock(handle: int, path: Path) -> None:
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        raise FolderInUse(
            f"{path}: another process probes this model on this device; wait until it ends"
        ) from None
