"""Names of sessions on devices: each tells who opened it, so that a dead owner's can be removed."""

import hashlib
import os
import re
import secrets
import socket
from pathlib import Path

FORM = "s-[0-9a-f]{8}-[0-9]+-[0-9]+-[0-9a-f]{6}"
"""A pattern of all names, for Python and for `grep -E`."""


def new_name() -> str:
    """A name that nobody else has: `s-HOST-PID-START-RANDOM`."""
    return f"s-{_host()}-{os.getpid()}-{_start(os.getpid())}-{secrets.token_hex(3)}"


def is_orphaned(name: str) -> bool:
    """Whether a process of this machine opened the session and lives no more."""
    if not re.fullmatch(FORM, name):
        return False
    _, host, pid, start, _ = name.split("-")
    return host == _host() and _start(int(pid)) != start


def _host() -> str:
    """Eight digits of a hash of what tells whether a process may be looked up here by its number.

    A host's name alone does not: boards share those of their image, and so do containers.
    """
    told = (socket.gethostname(), str(os.getuid()), _machine(), _namespace())
    return hashlib.sha256(" ".join(told).encode()).hexdigest()[:8]


def _machine() -> str:
    """The installed system's own number (machine-id(5)), "" without one."""
    try:
        return Path("/etc/machine-id").read_text(encoding="utf-8").strip()
    except (OSError, ValueError):
        return ""


def _namespace() -> str:
    """Where numbers of processes count from (pid_namespaces(7)), "" where that is not told."""
    try:
        return str(Path("/proc/self/ns/pid").readlink())
    except OSError:
        return ""


def _start(pid: int) -> str:
    """When the process began, in clock ticks since boot (proc(5), field 22); "0" without /proc."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "0" if pid == os.getpid() else "gone"
    return status.rpartition(")")[2].split()[19]
