"""Where a device is: user@host:port for SSH, a serial for ADB."""

import re
from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field, StringConstraints

from targets.errors import UsageError

Host = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:%-]*$", max_length=253)]
User = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9_][A-Za-z0-9_.-]*$", max_length=64)]
Serial = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._:-]*$", max_length=128)]

_STATED = re.compile(
    r"(?:(?P<user>[^@]+)@)?(?:\[(?P<six>[^\]]+)\]|(?P<host>[^:@]+))(?::(?P<port>\d+))?"
)


class SshAddress(BaseModel):
    """A device's SSH server.

    `jump` is a server to go through, as user@host:port. `key_file` is a private key; without it,
    those of the SSH agent and of ~/.ssh are offered.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    host: Host
    port: int = Field(default=22, ge=1, le=65535)
    user: User | None = None
    jump: str | None = None
    key_file: str | None = None
    connect_timeout_s: float = Field(default=10.0, gt=0, le=300)

    @classmethod
    def stated(cls, text: str) -> "SshAddress":
        """Reads user@host:port; an IPv6 host stands in brackets. Raises UsageError."""
        found = _STATED.fullmatch(text)
        try:
            if found:
                host, port = found["six"] or found["host"], int(found["port"] or 22)
                return cls(host=host, port=port, user=found["user"])
        except ValueError:
            pass
        raise UsageError(f"'{text}' is no SSH address; write user@host or user@host:port")

    @property
    def label(self) -> str:
        """How a known_hosts file names the server."""
        return self.host if self.port == 22 else f"[{self.host}]:{self.port}"


class AdbAddress(BaseModel):
    """A device by the serial that `adb devices` lists; host:port for one on the network."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    serial: Serial
    connect_timeout_s: float = Field(default=10.0, gt=0, le=300)

    @classmethod
    def stated(cls, text: str) -> "AdbAddress":
        """Reads a serial. Raises UsageError."""
        try:
            return cls(serial=text)
        except ValueError as error:
            raise UsageError(f"'{text}' is no serial; `adb devices` lists them") from error
