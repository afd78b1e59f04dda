"""A shell on an Android device, through the `adb` program: by USB, or by TCP for HOST:PORT."""

import os
import selectors
import shutil
import subprocess
import threading
import time
from typing import IO

from targets.address import AdbAddress
from targets.errors import DeviceUnreachable, EnvironmentFault
from targets.link.contract import Completed, Held, LinkLost, TooMuch

_CHUNK_BYTES = 1 << 16
_MOST_STDERR_BYTES = 1_000_000
_ENDING_S = 10.0
_ATTEMPTS = 3
_PAUSE_S = 1.0
_ENDED = b"@edgesmith-ended "

_CURES = {
    "unauthorized": "unlock it and allow USB debugging of this computer",
    "offline": "plug it in again, or `adb reconnect`",
    "no permissions": "add a udev rule for it (https://developer.android.com/studio/run/device)",
    "not found": "`adb devices` lists what is there; is USB debugging on?",
    "refused": "run `adb tcpip 5555` with it plugged in, and look at the address",
}


class AdbShell:
    """The shell of one device. Every command is a process of `adb`, ended with what it runs."""

    def __init__(self, address: AdbAddress) -> None:
        """Finds the device. Raises DeviceUnreachable, saying what to change, and EnvironmentFault
        without `adb`."""
        self._adb = _program()
        self._address = address
        self._connect()

    def execute(self, script: str, *, stdin: bytes, timeout_s: float, most_bytes: int) -> Completed:
        """Runs the script; that it ended is told on stderr, since adb's own failures exit 1 too."""
        marked = f"({script}); echo {_ENDED.decode()}$? >&2"
        process = self._start("shell", "-T", marked)
        try:
            stdout, stderr = _exchange(process, stdin, timeout_s, most_bytes)
        finally:
            _kill(process)
        told, mark, code = stderr.rpartition(_ENDED)
        if not mark or not code.strip().isdigit():
            raise self._lost(stderr)
        return Completed(int(code), stdout, told)

    def hold(self, script: str) -> Held:
        """Starts the script; its stdin stays open until this process ends."""
        return _Held(self._start("shell", "-T", script), self._address.serial)

    def close(self) -> None:
        """Nothing is left open: `adb` itself keeps the device."""

    def _connect(self) -> None:
        """Finds the device, again where it is on its way: `adb` takes a while to notice changes."""
        for attempt in range(_ATTEMPTS):
            try:
                self._find()
                break
            except DeviceUnreachable:
                if attempt == _ATTEMPTS - 1:
                    raise
                time.sleep(_PAUSE_S)
                if ":" in self._address.serial:
                    self._asked("disconnect", self._address.serial, self._address.connect_timeout_s)

    def _find(self) -> None:
        timeout_s = self._address.connect_timeout_s
        if ":" in self._address.serial:
            told = self._asked("connect", self._address.serial, timeout_s)
            if "connected to" not in told or "failed" in told:
                raise self._unreachable(told)
        state = self._asked("-s", self._address.serial, "get-state", timeout_s)
        if state.strip() != "device":
            raise self._unreachable(state)
        if "shell_v2" not in self._asked("-s", self._address.serial, "features", timeout_s).split():
            raise self._unreachable("its adbd has no shell_v2; Android 7 is the oldest that has")

    def _asked(self, *words: str | float) -> str:
        """What `adb` says; the last word is the time that it may take."""
        *command, timeout_s = words
        try:
            done = subprocess.run(
                [self._adb, *map(str, command)],
                capture_output=True,
                text=True,
                errors="replace",
                timeout=float(timeout_s),
                check=False,
                start_new_session=True,
            )
        except subprocess.TimeoutExpired as error:
            raise self._unreachable(f"no answer in {timeout_s} s") from error
        return done.stdout if done.returncode == 0 else done.stdout + done.stderr

    def _start(self, *words: str) -> subprocess.Popen[bytes]:
        return subprocess.Popen(
            [self._adb, "-s", self._address.serial, *words],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            start_new_session=True,  # an interrupt at the keyboard is for this program to handle
        )

    def _lost(self, stderr: bytes) -> LinkLost:
        told = stderr.decode(errors="replace").strip().splitlines()
        return LinkLost(
            f"the link to {self._address.serial} broke: {told[-1] if told else 'adb ended'}"
        )

    def _unreachable(self, told: str) -> DeviceUnreachable:
        line = " ".join(told.split()) or "no answer"
        cure = next((cure for words, cure in _CURES.items() if words in line), _CURES["not found"])
        return DeviceUnreachable(f"{self._address.serial} can't be reached by ADB: {line}; {cure}")


class _Held:
    def __init__(self, process: subprocess.Popen[bytes], serial: str) -> None:
        self._process = process
        self._serial = serial
        self._read = bytearray()

    def line(self, timeout_s: float) -> str:
        deadline = time.monotonic() + timeout_s
        while b"\n" not in self._read:
            self._read += self._more(deadline - time.monotonic())
        line, _, rest = self._read.partition(b"\n")
        self._read = bytearray(rest)
        return line.decode(errors="replace").strip()

    def _more(self, timeout_s: float) -> bytes:
        assert self._process.stdout is not None
        with selectors.DefaultSelector() as selector:
            selector.register(self._process.stdout, selectors.EVENT_READ)
            ready = selector.select(max(0.0, timeout_s))
        chunk = os.read(self._process.stdout.fileno(), _CHUNK_BYTES) if ready else b""
        if not chunk:
            raise LinkLost(f"{self._serial} opens no session: adb gave no answer")
        return chunk

    def release(self, word: str) -> None:
        try:
            self._process.communicate(f"{word}\n".encode(), _ENDING_S)
        except (OSError, ValueError, subprocess.TimeoutExpired):
            _kill(self._process)


def _program() -> str:
    found = shutil.which("adb")
    if found is None:
        raise EnvironmentFault(
            "the program 'adb' is not on the PATH; apt-get install adb, or install Android's "
            "platform tools"
        )
    return found


def _exchange(
    process: subprocess.Popen[bytes], stdin: bytes, timeout_s: float, most_bytes: int
) -> tuple[bytes, bytes]:
    """Writes stdin and reads both outputs, each in a thread, so that none waits for another."""
    assert process.stdin is not None
    assert process.stdout is not None
    assert process.stderr is not None
    stdout, stderr = bytearray(), bytearray()
    threads = [
        threading.Thread(target=_write, args=(process.stdin, stdin), daemon=True),
        threading.Thread(target=_drain, args=(process.stderr, stderr), daemon=True),
        threading.Thread(target=_fill, args=(process, stdout, most_bytes), daemon=True),
    ]
    deadline = time.monotonic() + timeout_s
    for thread in threads:
        thread.start()
    for thread in threads[::-1]:
        thread.join(max(0.0, deadline - time.monotonic()))
    if any(thread.is_alive() for thread in threads):
        process.kill()  # its pipes end, and with them the threads
        for thread in threads:
            thread.join(_ENDING_S)
        raise TimeoutError(f"no answer in {timeout_s:g} s")
    if len(stdout) > most_bytes:
        raise TooMuch(
            f"the device answers more than {most_bytes / 1e6:g} MB; its agent is not ours"
        )
    return bytes(stdout), bytes(stderr)


def _write(stream: IO[bytes], content: bytes) -> None:
    try:
        stream.write(content)
        stream.close()
    except OSError:
        return  # the command ended without reading all: its exit code says why


def _drain(stream: IO[bytes], into: bytearray) -> None:
    while chunk := os.read(stream.fileno(), _CHUNK_BYTES):
        into += chunk
        del into[:-_MOST_STDERR_BYTES]


def _fill(process: subprocess.Popen[bytes], into: bytearray, most_bytes: int) -> None:
    assert process.stdout is not None
    while chunk := os.read(process.stdout.fileno(), _CHUNK_BYTES):
        into += chunk
        if len(into) > most_bytes:
            process.kill()
            return


def _kill(process: subprocess.Popen[bytes]) -> None:
    process.kill()
    process.wait()
    for stream in (process.stdin, process.stdout, process.stderr):
        if stream is not None:
            try:
                stream.close()
            except OSError:
                continue
