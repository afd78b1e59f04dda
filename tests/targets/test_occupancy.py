"""One job per device at a time: across threads, and across processes."""

import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from targets.errors import EnvironmentFault
from targets.occupancy import all_occupied, occupied

HOLDS = (
    "import sys, time; from targets.occupancy import occupied;"
    "hold = occupied('board', print); hold.__enter__();"
    "print('held', flush=True); sys.stdin.read()"
)


@pytest.fixture(autouse=True)
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))


def test_another_process_is_waited_for_and_named() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        assert other.stdout.readline() == "held\n"
        told: list[str] = []

        def let_go(message: str) -> None:
            told.append(message)
            other.stdin.close()

        with occupied("board", let_go):
            assert told
            assert other.wait() == 0
    (message,) = told
    assert message.startswith(f"device 'board' is in use by process {other.pid}")


def test_a_killed_holder_lets_go() -> None:
    other = subprocess.Popen(
        [sys.executable, "-c", HOLDS], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True
    )
    with other:
        other.stdout.readline()
        other.kill()
        other.wait()
        with occupied("board"):
            pass


def test_the_holder_may_take_it_again_and_a_thread_waits() -> None:
    order: list[str] = []

    def take() -> None:
        with occupied("board"):
            order.append("thread")

    with occupied("board"), all_occupied({"board", "phone"}, order.append):
        thread = threading.Thread(target=take)
        thread.start()
        time.sleep(0.2)
        order.append("holder")
    thread.join()
    assert order == ["holder", "thread"]


def test_a_lock_that_can_not_be_made_is_told(tmp_path: Path) -> None:
    (tmp_path / "edgesmith").write_text("a file")
    with pytest.raises(EnvironmentFault, match=r"board\.lock can't be made"), occupied("board"):
        pass
