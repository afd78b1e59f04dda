"""Host keys, pinned when a server is first reached: $XDG_CONFIG_HOME/edgesmith/known_hosts.

One line per server in the format of OpenSSH (sshd(8), SSH_KNOWN_HOSTS FILE FORMAT).
"""

import os
from dataclasses import dataclass
from pathlib import Path

from targets.errors import EnvironmentFault


def own_file() -> Path:
    """The file of this user's pins."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "edgesmith" / "known_hosts"


@dataclass(frozen=True)
class Pins:
    """The pins in a file. A key is "TYPE BASE64", as OpenSSH writes public keys."""

    file: Path

    def of(self, label: str) -> list[str]:
        """The keys pinned for a server; empty where it was never reached."""
        return [key for name, key in self._lines() if name == label]

    def add(self, label: str, key: str) -> None:
        """Pins a server's key. Raises EnvironmentFault where the file can't be written."""
        try:
            self.file.parent.mkdir(parents=True, exist_ok=True)
            # One write of one short line in append mode: two processes do not mix theirs.
            handle = os.open(self.file, os.O_WRONLY | os.O_APPEND | os.O_CREAT, 0o600)
            try:
                os.write(handle, f"{label} {key}\n".encode())
            finally:
                os.close(handle)
        except OSError as error:
            raise EnvironmentFault(f"{self.file}: the host key can't be kept: {error}") from error

    def _lines(self) -> list[tuple[str, str]]:
        try:
            text = self.file.read_text(encoding="utf-8")
        except FileNotFoundError:
            return []
        except (OSError, ValueError) as error:
            raise EnvironmentFault(f"{self.file} can't be read: {error}") from error
        words = [line.split() for line in text.splitlines() if not line.startswith("#")]
        return [(each[0], f"{each[1]} {each[2]}") for each in words if len(each) >= 3]
