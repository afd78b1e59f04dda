"""What every link offers, and what a link to another machine is made of."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

from targets.errors import DeviceUnreachable


@dataclass(frozen=True)
class Completed:
    """A command that has ended. A negative code is the signal that ended it."""

    code: int
    stdout: bytes
    stderr: bytes


class LinkLost(DeviceUnreachable):
    """The link broke while it was used; a new one may reach the device."""


class TooMuch(DeviceUnreachable):
    """The device sent more than was asked for."""


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
        """Where the device's Python finds `targets`, as PYTHONPATH has it."""

    @property
    def site(self) -> str:
        """A folder on the device for packages that edgesmith put there; "" where it puts none."""

    def push(self, local: Path, name: str) -> str:
        """Copies a file into the private folder under this relative name; returns its path."""

    def place(self, local: Path, name: str) -> str:
        """As `push`, of a file that the device may have kept from before."""

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


class Held(Protocol):
    """A command that lives as long as the link: its stdin ends when the link does."""

    def line(self, timeout_s: float) -> str:
        """The next line that it prints, "" at its end. Raises LinkLost where none comes."""

    def release(self, word: str) -> None:
        """Hands it a last word and waits until it has ended; a link that is lost is no error."""


class Shell(Protocol):
    """A POSIX shell on a device. Knows no folder, no file and no model.

    Every method raises LinkLost where the link breaks.
    """

    def execute(self, script: str, *, stdin: bytes, timeout_s: float, most_bytes: int) -> Completed:
        """Runs a script of one line to its end.

        Raises TimeoutError after `timeout_s`, and TooMuch for more than `most_bytes` on stdout.
        """

    def hold(self, script: str) -> Held:
        """Starts a script that stays."""

    def close(self) -> None:
        """Ends the link."""
