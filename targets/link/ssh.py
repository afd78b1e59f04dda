"""A shell over SSH (asyncssh), with pinned host keys, keys of files and agent, and jump hosts."""

import asyncio
import contextlib
import shlex
import threading
from collections.abc import Coroutine
from functools import cache
from typing import TypeVar

import asyncssh

from targets.address import SshAddress
from targets.errors import DeviceUnreachable, UsageError
from targets.link.contract import Completed, Held, LinkLost, TooMuch
from targets.link.pins import Pins

_T = TypeVar("_T")
_ATTEMPTS = 3
_PAUSE_S = 1.0
_ALIVE_S, _ALIVE_COUNT = 5, 3
_CHUNK_BYTES = 1 << 16
_MOST_STDERR_BYTES = 1_000_000
_ENDING_S = 10.0
_THREAD = "edgesmith-ssh"


class SshShell:
    """A connection to a device's SSH server. Its keeper and all commands share it."""

    def __init__(self, address: SshAddress, pins: Pins) -> None:
        """Connects. Raises DeviceUnreachable, saying what to change."""
        self._told = f"{address.user or 'you'}@{address.host}:{address.port}"
        self._connection = _await(_connected(address, pins))

    def execute(self, script: str, *, stdin: bytes, timeout_s: float, most_bytes: int) -> Completed:
        """Runs the script in a channel of its own."""
        work = asyncio.wait_for(self._executed(script, stdin, most_bytes), timeout_s)
        try:
            return _await(work)
        except TimeoutError:
            raise TimeoutError(f"no answer in {timeout_s:g} s") from None
        except (asyncssh.Error, OSError) as error:
            raise LinkLost(f"the link to {self._told} broke: {error}") from error

    def hold(self, script: str) -> Held:
        """Starts the script; its stdin stays open as long as the connection."""
        try:
            process = _await(self._started(script))
        except (asyncssh.Error, OSError) as error:
            raise LinkLost(f"the link to {self._told} broke: {error}") from error
        return _Held(process, self._told)

    def close(self) -> None:
        """Closes the connection, once what was written has left."""
        _loop().call_soon_threadsafe(self._connection.close)

    async def _started(self, script: str) -> "asyncssh.SSHClientProcess[bytes]":
        return await self._connection.create_process(_command(script), encoding=None)

    async def _executed(self, script: str, stdin: bytes, most_bytes: int) -> Completed:
        process = await self._started(script)
        try:
            with contextlib.suppress(BrokenPipeError):  # a short command may have ended by now
                process.stdin.write(stdin)
            process.stdin.write_eof()
            stdout, stderr = await asyncio.gather(
                _read(process.stdout, most_bytes), _tail(process.stderr)
            )
            await process.wait_closed()
        finally:
            process.close()
        if process.returncode is None:
            raise LinkLost(f"the link to {self._told} broke")
        return Completed(process.returncode, stdout, stderr)


class _Held:
    def __init__(self, process: asyncssh.SSHClientProcess[bytes], told: str) -> None:
        self._process = process
        self._told = told

    def line(self, timeout_s: float) -> str:
        try:
            line = _await(asyncio.wait_for(self._process.stdout.readline(), timeout_s))
        except (TimeoutError, asyncssh.Error, OSError) as error:
            raise LinkLost(f"{self._told} opens no session: {error}") from error
        return line.decode(errors="replace").strip()

    def release(self, word: str) -> None:
        with contextlib.suppress(TimeoutError, asyncssh.Error, OSError):
            ended = asyncio.run_coroutine_threadsafe(self._ended(word), _loop())
            # The garbage collector may call this in the loop's own thread, which must not wait.
            if threading.current_thread().name != _THREAD:
                ended.result()

    async def _ended(self, word: str) -> None:
        self._process.stdin.write(f"{word}\n".encode())
        self._process.stdin.write_eof()
        await asyncio.wait_for(self._process.wait_closed(), _ENDING_S)


class _Client(asyncssh.SSHClient):
    """Decides on a host key that is not pinned: the first is, another is refused."""

    def __init__(self, pinned: bool) -> None:
        self._pinned = pinned
        self.offered: asyncssh.SSHKey | None = None

    def validate_host_public_key(
        self, host: str, addr: str, port: int, key: asyncssh.SSHKey
    ) -> bool:
        self.offered = key
        return not self._pinned


async def _connected(address: SshAddress, pins: Pins) -> asyncssh.SSHClientConnection:
    """A connection, tried again where nobody listens (yet)."""
    jump = None
    if address.jump is not None:
        through = SshAddress.stated(address.jump)
        jump = await _connected(through.model_copy(update={"key_file": address.key_file}), pins)
    for attempt in range(_ATTEMPTS):
        try:
            return await _attempt(address, pins, jump)
        except (OSError, TimeoutError, asyncssh.ChannelOpenError, asyncssh.ConnectionLost) as error:
            if attempt == _ATTEMPTS - 1:
                why = str(error) or f"no answer in {address.connect_timeout_s:g} s"
                raise DeviceUnreachable(
                    f"{address.label} can't be reached by SSH: {why}; is it on, and is its SSH "
                    "server running there?"
                ) from error
            await asyncio.sleep(_PAUSE_S)
    raise AssertionError


async def _attempt(
    address: SshAddress, pins: Pins, jump: asyncssh.SSHClientConnection | None
) -> asyncssh.SSHClientConnection:
    keys = _keys(address, pins)
    client = _Client(bool(keys))
    try:
        connection = await asyncio.wait_for(
            asyncssh.connect(
                address.host,
                address.port,
                tunnel=jump,
                client_factory=lambda: client,
                known_hosts=lambda *_: (keys, [], [], [], [], [], []),
                username=address.user or (),
                client_keys=[address.key_file] if address.key_file else (),
                keepalive_interval=_ALIVE_S,
                keepalive_count_max=_ALIVE_COUNT,
            ),
            address.connect_timeout_s,
        )
    except asyncssh.HostKeyNotVerifiable as error:
        raise DeviceUnreachable(_wrong_key(address, pins, client.offered)) from error
    except asyncssh.PermissionDenied as error:
        raise DeviceUnreachable(_denied(address)) from error
    except asyncssh.ConnectionLost:
        raise  # trying again may help
    except asyncssh.DisconnectError as error:
        raise DeviceUnreachable(
            f"{address.label} opens no SSH connection: {error.reason}; is it an SSH server, and "
            "one of these years?"
        ) from error
    except (asyncssh.KeyImportError, asyncssh.ConfigParseError) as error:
        raise UsageError(f"{address.label}: {error}") from error
    if client.offered is not None:
        pins.add(address.label, _written(client.offered))
    return connection


def _keys(address: SshAddress, pins: Pins) -> list[asyncssh.SSHKey]:
    """The keys that are pinned. Raises UsageError for a line that holds none."""
    try:
        return [asyncssh.import_public_key(key) for key in pins.of(address.label)]
    except asyncssh.KeyImportError as error:
        raise UsageError(
            f"{pins.file}: a line of '{address.label}' holds no host key: {error}; repair it, or "
            "remove it, and the key that the device shows next is pinned"
        ) from error


def _wrong_key(address: SshAddress, pins: Pins, offered: asyncssh.SSHKey | None) -> str:
    print_ = offered.get_fingerprint() if offered else "another"
    return (
        f"{address.label} shows the host key {print_}, which is not the one that was pinned when "
        f"it was first reached; if the device was set up anew, remove the line '{address.label}' "
        f"of {pins.file}, otherwise someone else answers in its place"
    )


def _denied(address: SshAddress) -> str:
    key = f"the key {address.key_file}" if address.key_file else "any key of ~/.ssh or the agent"
    return (
        f"{address.label} lets {address.user or 'you'} not in with {key}; "
        f"try `ssh-copy-id -p {address.port} {address.user or 'USER'}@{address.host}`"
    )


def _written(key: asyncssh.SSHKey) -> str:
    return " ".join(key.export_public_key("openssh").decode().split()[:2])


def _command(script: str) -> str:
    return f"exec sh -c {shlex.quote(script)}"  # whatever shell the user's own is


async def _read(stream: asyncssh.SSHReader[bytes], most_bytes: int) -> bytes:
    found = bytearray()
    while chunk := await stream.read(_CHUNK_BYTES):
        found += chunk
        if len(found) > most_bytes:
            raise TooMuch(
                f"the device answers more than {most_bytes / 1e6:g} MB; its agent is not ours"
            )
    return bytes(found)


async def _tail(stream: asyncssh.SSHReader[bytes]) -> bytes:
    """The end of what is said on stderr: all of it is read, or the device would wait."""
    found = bytearray()
    while chunk := await stream.read(_CHUNK_BYTES):
        found = (found + chunk)[-_MOST_STDERR_BYTES:]
    return bytes(found)


@cache
def _loop() -> asyncio.AbstractEventLoop:
    """One event loop for all connections, in a thread of its own that ends with the program."""
    loop = asyncio.new_event_loop()
    threading.Thread(target=loop.run_forever, daemon=True, name=_THREAD).start()
    return loop


def _await(work: Coroutine[object, object, _T]) -> _T:
    """What the work gives, from any thread; an interrupt of the waiting cancels it."""
    future = asyncio.run_coroutine_threadsafe(work, _loop())
    try:
        return future.result()
    except KeyboardInterrupt:
        future.cancel()
        raise
