"""One case in one limited child process: what became of it."""

import os
import resource
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path

from pipeline import verify
from pipeline.boundary import leave_with
from pipeline.diagnose.door import analyse
from targets import device

MEMORY_BYTES = 2 * 10**9
MOST_S = 10.0
KNOWN_CODES = (0, 2, 3, 4, 5, 6, 7)
_POLL_S = 0.005


@dataclass(frozen=True)
class Outcome:
    """How a case ended.

    Attributes:
        code: the exit code; negative: the signal that ended it.
        wall_s, cpu_s: how long it and its children took.
        peak_bytes: the most memory that any one of them held.
        said: the last line that it wrote.
        traceback: whether it wrote one.
        faults: what must not be, in words.
    """

    code: int
    wall_s: float
    cpu_s: float
    peak_bytes: int
    said: str
    traceback: bool
    faults: tuple[str, ...] = ()

    def fact(self) -> dict[str, object]:
        """As the store keeps it."""
        return {**asdict(self), "faults": list(self.faults)}


def check(path: Path) -> int:
    """Load and analysis of `edgesmith check`, without measuring."""
    analyse(path, device.load("host"))
    return 0


DOORS: dict[str, Callable[[Path], int]] = {
    "check": check,
    "verify": lambda path: verify.verify(path, None, False, False),
}


def run(door: str, path: Path, patience_s: float) -> Outcome:
    """Opens a door on a file in a forked child, ended with all its own after `patience_s`.

    This process must have no other threads. What the child writes anywhere else than in the file's
    folder would stay; its temporary files and locks go into that folder.
    """
    said, start = path.parent / "said", time.monotonic()
    pid = os.fork()
    if pid == 0:
        _child(door, path, said)
    status, usage = _ended(pid, start + patience_s)
    wall_s = time.monotonic() - start
    text = said.read_text(encoding="utf-8", errors="replace")
    outcome = Outcome(
        code=os.waitstatus_to_exitcode(status),
        wall_s=round(wall_s, 3),
        cpu_s=round(usage.ru_utime + usage.ru_stime, 3),
        peak_bytes=usage.ru_maxrss * 1024,
        said=(text.strip().splitlines() or [""])[-1][:300],
        traceback="Traceback (most recent call last)" in text,
    )
    return Outcome(**{**asdict(outcome), "faults": _faults(outcome, patience_s)})


def _child(door: str, path: Path, said: Path) -> None:
    """Never returns."""
    code = 1
    try:
        os.setsid()
        os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
        told = os.open(said, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        os.dup2(told, 1)
        os.dup2(told, 2)
        _confine(path.parent)
        leave_with(lambda: DOORS[door](path), as_json=False)
    except SystemExit as ending:
        code = ending.code if isinstance(ending.code, int) else 1
    finally:
        sys.stdout.flush()
        sys.stderr.flush()
        os._exit(code)


def _confine(folder: Path) -> None:
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_BYTES, MEMORY_BYTES))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MEMORY_BYTES, MEMORY_BYTES))
    own = folder / "own"
    own.mkdir()
    os.environ.update(TMPDIR=str(own), XDG_STATE_HOME=str(own), XDG_CONFIG_HOME=str(own))
    tempfile.tempdir = str(own)


def _ended(pid: int, deadline: float) -> tuple[int, resource.struct_rusage]:
    while True:
        found, status, usage = os.wait4(pid, os.WNOHANG)
        if found:
            return status, usage
        if time.monotonic() > deadline:
            os.killpg(pid, signal.SIGKILL)
            _, status, usage = os.wait4(pid, 0)
            return status, usage
        time.sleep(_POLL_S)


def _faults(outcome: Outcome, patience_s: float) -> tuple[str, ...]:
    found = {
        f"ended by signal {-outcome.code}": outcome.code < 0,
        f"exit code {outcome.code}": outcome.code >= 0 and outcome.code not in KNOWN_CODES,
        "a traceback": outcome.traceback,
        f"took over {MOST_S:g} s": outcome.cpu_s > MOST_S or outcome.wall_s > patience_s,
        f"held over {MEMORY_BYTES / 1e9:g} GB": outcome.peak_bytes > MEMORY_BYTES,
    }
    return tuple(fault for fault, is_so in found.items() if is_so)


def in_own_folder(write: Callable[[Path], Path], door: str, patience_s: float) -> Outcome:
    """Runs a case in a folder of its own, which is gone afterwards."""
    folder = Path(tempfile.mkdtemp(prefix="edgesmith-fuzz-"))
    try:
        return run(door, write(folder), patience_s)
    finally:
        shutil.rmtree(folder, ignore_errors=True)
