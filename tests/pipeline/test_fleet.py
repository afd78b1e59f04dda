"""Several devices side by side: what one does, the others survive; an interrupt ends them all."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from pipeline import fleet
from pipeline.check import Checked
from targets.budget import Line, Verdict

FOREVER = """
import os, signal, sys, threading, time
from pathlib import Path
from pipeline import fleet
from pipeline.boundary import leave_with

signal.signal(signal.SIGINT, signal.default_int_handler)  # a background job ignores it
first = threading.Event()

def checked(model, profile, stated, rule, lane, given):
    if profile.name == "host":
        first.wait(60)
        os.kill(os.getpid(), signal.SIGINT)
    try:
        while True:
            lane.progress("measuring", 0.5)
            first.set()
            time.sleep(0.01)
    finally:
        os.write(1, f"{profile.name} ended\\n".encode())  # at once, beside the other thread

fleet.checked = checked
names = ("host", "emulated-aarch64")
leave_with(lambda: fleet.check(Path(sys.argv[1]), names, ("size_kb=1",), None, False), False)
"""


@pytest.fixture
def model(tmp_path: Path) -> Path:
    (tmp_path / "m.tflite").write_bytes(b"x")
    return tmp_path / "m.tflite"


@pytest.mark.parametrize(
    ("error", "code", "told"),
    [
        (RuntimeError("odd"), 1, "internal error: RuntimeError: odd"),
        (OSError(28, "No space left on device"), 7, "free some space"),
    ],
)
def test_what_fails_on_one_device_costs_no_other_its_result(
    model: Path, monkeypatch: pytest.MonkeyPatch, capsys, tmp_path: Path, error, code, told
) -> None:
    line = Line("size_kb", 1.0, 0.5, 0.5, "PASS", "", "1")
    good = Checked({"device": "host"}, Verdict("PASS", (line,)))

    def checked(model, profile, *_):
        if profile.name == "host":
            return good
        raise error

    monkeypatch.setattr(fleet, "checked", checked)
    monkeypatch.setattr("tempfile.tempdir", str(tmp_path))
    found = fleet.check(model, ("emulated-aarch64", "host"), ("size_kb=1",), None, True)
    emulated, host = json.loads(capsys.readouterr().out)["devices"]
    assert found == code
    assert told in emulated["error"]["message"]
    assert host["verdict"]["status"] == "PASS"


def test_an_interrupt_ends_every_device(model: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", FOREVER, str(model)],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    assert done.returncode == 130, done.stderr
    assert sorted(done.stdout.splitlines()) == ["emulated-aarch64 ended", "host ended"]
