"""What every link offers."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol


@dataclass(frozen=True)
class Completed:
    """A command that has ended. A negative code is the signal that ended it."""

    code: int
    stdout: bytes
    stderr: bytes


class Link(Protocol):
    """Moves bytes to a private folder on the device and runs commands there.

    Every method raises DeviceUnreachable where the link itself fails.
    """

    @property
    def folder(self) -> str:
        """The private folder on the device."""

    @property
    def python(self) -> str:
        """The Python interpreter on the device."""

    @property
    def code(self) -> str:
        """The folder on the device that holds `targets`."""

    def push(self, local: Path, name: str) -> str:
        """Copies a file into the private folder under this relative name; returns its path."""

    def pull(self, remote: str, local: Path) -> None:
        """Copies a file of the device to a local path."""

    def run(
        self,
        command: Sequence[str],
        *,
        stdin: bytes,
        environment: Mapping[str, str],
        timeout_s: float,
    ) -> Completed:
        """Runs a command to its end. Raises TimeoutError, having ended it, after `timeout_s`."""
