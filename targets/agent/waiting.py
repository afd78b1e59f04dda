"""How long this process was ready to run and had no core: how busy the machine is with others.

Source: docs.kernel.org/scheduler/sched-stats.html, /proc/PID/schedstat: time on a core and time
waiting for one, in nanoseconds, of the process's first thread. Travels to devices: stdlib only,
Python 3.9 syntax.
"""

import time
from pathlib import Path
from typing import Optional

SCHEDSTAT = Path("/proc/self/schedstat")


class Waiting:
    """Watches from when it is made."""

    def __init__(self) -> None:
        self._begin_ns = time.perf_counter_ns()
        self._before_ns = _waited_ns()

    def share(self) -> Optional[float]:
        """The share of the time since then that was spent waiting; None where it can't be told."""
        after_ns = _waited_ns()
        passed_ns = time.perf_counter_ns() - self._begin_ns
        if self._before_ns is None or after_ns is None or passed_ns <= 0:
            return None
        return (after_ns - self._before_ns) / passed_ns


def _waited_ns() -> Optional[int]:
    try:
        on_core, waiting, _ = SCHEDSTAT.read_text(encoding="ascii").split()
        # A kernel that keeps no account shows a process that never had a core.
        return int(waiting) if int(on_core) > 0 else None
    except (OSError, ValueError):
        return None
