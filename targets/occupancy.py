"""One job per device at a time, across all processes of edgesmith of this user.

A lock of the kernel on $XDG_STATE_HOME/edgesmith/devices/NAME.lock: it goes with its holder,
however that ends. The file says who holds it.
"""

import contextlib
import fcntl
import os
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from targets.errors import EnvironmentFault

_PAUSE_S = 0.2
Tell = Callable[[str], None]


def in_silence(_: str) -> None:
    """For those who have nobody to tell."""


@dataclass
class _Seat:
    """A device within this process: threads take turns by `threads`, and hold the file once."""

    threads: threading.RLock = field(default_factory=threading.RLock)
    depth: int = 0
    handle: int = -1


_seats: dict[str, _Seat] = {}
_guard = threading.Lock()


def own_folder() -> Path:
    """Where the locks are."""
    state = os.environ.get("XDG_STATE_HOME") or Path.home() / ".local" / "state"
    return Path(state) / "edgesmith" / "devices"


@contextmanager
def occupied(name: str, tell: Tell = in_silence) -> Iterator[None]:
    """Holds the device for the block; a thread that holds it already goes on at once.

    Args:
        name: the profile's `seat`.
        tell: told once who holds the device, where it has to be waited for.

    Raises:
        EnvironmentFault: the lock's file can't be made.
    """
    with _guard:
        seat = _seats.setdefault(name, _Seat())
    with seat.threads:
        if seat.depth == 0:
            seat.handle = _held(own_folder() / f"{name}.lock", name, tell)
        seat.depth += 1
        try:
            yield
        finally:
            seat.depth -= 1
            if seat.depth == 0:
                os.close(seat.handle)


@contextmanager
def all_occupied(names: set[str], tell: Tell) -> Iterator[None]:
    """Holds several devices, taken in one order everywhere, so that no two wait for each other."""
    with contextlib.ExitStack() as stack:
        for name in sorted(names):
            stack.enter_context(occupied(name, tell))
        yield


def _held(file: Path, name: str, tell: Tell) -> int:
    try:
        file.parent.mkdir(parents=True, exist_ok=True)
        handle = os.open(file, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise EnvironmentFault(
            f"{file} can't be made, which keeps '{name}' free: {error}"
        ) from error
    try:
        _wait(handle, name, tell)
        os.ftruncate(handle, 0)
        os.pwrite(handle, _owner().encode(), 0)
    except BaseException:
        os.close(handle)
        raise
    return handle


def _wait(handle: int, name: str, tell: Tell) -> None:
    """Until the lock is ours. Asked again and again: waiting in the kernel can't be interrupted."""
    told = False
    while True:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            break
        except BlockingIOError:
            if not told:
                holder = os.pread(handle, 200, 0).decode(errors="replace").strip() or "another"
                tell(f"device '{name}' is in use by {holder}; waiting until it is free")
                told = True
            time.sleep(_PAUSE_S)


def _owner() -> str:
    command = " ".join(Path(word).name for word in sys.argv[:2])
    return f"process {os.getpid()} ({command}) since {time.strftime('%H:%M:%S')}\n"
