"""How a program ends that is told to: by a signal, at any moment."""

import signal
import subprocess
import sys
from pathlib import Path

import pytest

HEEDING = "import signal; signal.signal(signal.SIGINT, signal.default_int_handler)\n"
"""What a shell starts in the background is born deaf to SIGINT."""
ENDLESS = (
    "import time; from pipeline.boundary import leave_with; from targets.link.local import Local;"
    "link = Local(); leave_with(lambda: print(link.folder, flush=True) or time.sleep(600), False)"
)
FORKING = (
    "import os, time; from pipeline.boundary import leave_with\n"
    "def door():\n"
    "    child = os.fork()\n"
    "    if child == 0:\n"
    "        print('on', flush=True)\n"
    "        time.sleep(600)\n"
    "    os.read(0, 1)\n"
    "    os.kill(child, 15)\n"
    "    return os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) + 15\n"
    "leave_with(door, False)"
)


def started(program: str) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [sys.executable, "-c", HEEDING + program],
        cwd=Path(__file__).parents[2],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_leaves_nothing_behind(number: int) -> None:
    with started(ENDLESS) as process:
        folder = Path(process.stdout.readline().strip())
        assert folder.is_dir()
        process.send_signal(number)
        _, told = process.communicate(timeout=60)
    assert (process.returncode, told.startswith("edgesmith: interrupted")) == (130, True)
    assert not folder.exists()


def test_a_forked_worker_is_ended_as_ever() -> None:
    with started(FORKING) as process:
        assert process.stdout.readline() == "on\n"
        _, told = process.communicate("x", timeout=60)
    assert (process.returncode, told) == (0, "")
