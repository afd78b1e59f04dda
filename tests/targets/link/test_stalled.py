"""A device that answers no more: told as such, whatever was asked of it. Its shell is pretended."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from targets.device import DeviceProfile
from targets.errors import DeviceUnreachable
from targets.link import connect
from targets.link.connect import forget
from targets.link.contract import Completed
from targets.link.place import Place
from targets.link.remote import Remote
from targets.probe import probe

STALLED = r"device 'board' gave no answer in [0-9.]+ s: it hangs"


class Keeper:
    def __init__(self, *more: str) -> None:
        self._lines = iter(["ready", "/there", "a boot", *more, ""])

    def line(self, timeout_s: float) -> str:
        return next(self._lines)

    def release(self, word: str) -> None:
        pass


class Shell:
    """Gives these answers in turn, None being none in time; none at all after them."""

    def __init__(self, *answers: bytes | None, greeting: tuple[str, ...] = ()) -> None:
        self._answers: Iterator[bytes | None] = iter(answers)
        self._greeting = greeting
        self.closed = False

    def execute(self, script: str, *, stdin: bytes, timeout_s: float, most_bytes: int) -> Completed:
        answer = next(self._answers, None)
        if answer is None:
            raise TimeoutError(f"no answer in {timeout_s:g} s")
        return Completed(0, answer, b"")

    def hold(self, script: str) -> Keeper:
        return Keeper(*self._greeting)

    def close(self) -> None:
        self.closed = True


def link(shell: Shell) -> Remote:
    return Remote(lambda: shell, Place("board", "/there", "python3"))


def run(remote: Remote) -> Completed:
    return remote.run(("a",), stdin=b"", environment={}, timeout_s=5)


def test_a_file_that_takes_too_long_there_or_back(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"content")
    with pytest.raises(DeviceUnreachable, match=STALLED):
        link(Shell()).push(tmp_path / "a", "a")
    with pytest.raises(DeviceUnreachable, match=STALLED):
        link(Shell()).pull("/there/a", tmp_path / "b")


def test_a_command_is_slow_where_it_can_be_stopped_and_else_the_device_stalls() -> None:
    with pytest.raises(TimeoutError, match="no answer in 5 s"):
        run(link(Shell(None, b"")))
    with pytest.raises(DeviceUnreachable, match=STALLED):
        run(link(Shell(None, None)))


def test_what_can_not_be_swept_keeps_no_session_from_opening(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr("targets.link.remote.is_orphaned", lambda name: True)
    shell = Shell(None, b"fine", greeting=("session s-00000000-1-2-000003",))
    assert run(link(shell)).stdout == b"fine"


def test_a_probe_that_hangs() -> None:
    with pytest.raises(DeviceUnreachable, match="gave no answer in 60 s"):
        probe(link(Shell(None, b"")))


def test_what_was_kept_can_not_be_removed(monkeypatch: pytest.MonkeyPatch) -> None:
    shell = Shell()
    monkeypatch.setattr(connect, "_ssh", lambda device: shell)
    board = DeviceProfile(name="board", link="ssh", runtimes=("tflite",))
    with pytest.raises(DeviceUnreachable, match=STALLED):
        forget(board)
    assert shell.closed
