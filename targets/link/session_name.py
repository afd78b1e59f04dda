"""Names of sessions on devices: each tells who opened it, so that a dead owner's can be removed."""

import hashlib
import os
import secrets
import socket
from pathlib import Path


def new_name() -> str:
    """A name that nobody else has: `s-HOST-PID-START-RANDOM`."""
    return f"s-{_host()}-{os.getpid()}-{_start(os.getpid())}-{secrets.token_hex(3)}"


def is_orphaned(name: str) -> bool:
    """Whether a process of this machine opened the session and lives no more."""
    parts = name.split("-")
    if len(parts) != 5 or parts[1] != _host() or not parts[2].isdigit():
        return False
    return _start(int(parts[2])) != parts[3]


def _host() -> str:
    """Eight digits of a hash: a host's name may hold characters that no session's may."""
    return hashlib.sha256(f"{socket.gethostname()} {os.getuid()}".encode()).hexdigest()[:8]


def _start(pid: int) -> str:
    """When the process began, in clock ticks since boot (proc(5), field 22); "0" without /proc."""
    try:
        status = Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return "0" if pid == os.getpid() else "gone"
    return status.rpartition(")")[2].split()[19]
