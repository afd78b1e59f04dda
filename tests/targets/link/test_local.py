"""The link to this machine: a private folder, and children that end."""

import os
import stat
import sys
import time
from pathlib import Path

import pytest

from targets.errors import EnvironmentFault
from targets.link.local import Local


def run(link: Local, program: str, timeout_s: float = 20.0, stdin: bytes = b"") -> tuple[int, str]:
    completed = link.run(
        (sys.executable, "-c", program),
        stdin=stdin,
        environment={"GIVEN": "1"},
        timeout_s=timeout_s,
    )
    return completed.code, completed.stdout.decode()


def test_the_folder_is_private_and_goes_with_the_link() -> None:
    link = Local()
    folder = Path(link.folder)
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    del link
    assert not folder.exists()


def test_bytes_go_there_and_back(tmp_path: Path) -> None:
    link = Local()
    (tmp_path / "a").write_bytes(b"\x00\xff")
    remote = link.push(tmp_path / "a", "deep/er/a")
    assert Path(remote).is_relative_to(link.folder)
    link.pull(remote, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == b"\x00\xff"


def test_copies_that_fail_are_told(tmp_path: Path) -> None:
    with pytest.raises(EnvironmentFault, match="can't be copied"):
        Local().push(tmp_path / "none", "a")
    with pytest.raises(EnvironmentFault, match="can't be copied"):
        Local().pull(str(tmp_path / "none"), tmp_path / "b")
    with pytest.raises(EnvironmentFault, match="can't be started"):
        Local().run((str(tmp_path / "none"),), stdin=b"", environment={}, timeout_s=1)


def test_a_command_gets_only_what_it_is_given(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PYTHONPATH", "/elsewhere")
    link = Local()
    code, told = run(
        link,
        "import os, sys; print(os.environ.get('PYTHONPATH'), os.environ['GIVEN'], os.getcwd());"
        "print(sys.stdin.read()); sys.exit(3)",
        stdin=b"asked",
    )
    assert code == 3
    assert told.split() == ["None", "1", os.path.realpath(link.folder), "asked"]


def test_after_the_timeout_nothing_is_left(tmp_path: Path) -> None:
    mark, grandchild = tmp_path / "mark", tmp_path / "grandchild.py"
    grandchild.write_text(f"import time; time.sleep(1.5); open({str(mark)!r}, 'w')")
    program = (
        "import subprocess, sys, time;"
        f"subprocess.Popen([sys.executable, {str(grandchild)!r}]); time.sleep(60)"
    )
    start = time.monotonic()
    with pytest.raises(TimeoutError, match=r"no answer in 0\.5 s"):
        run(Local(), program, timeout_s=0.5)
    assert time.monotonic() - start < 30
    time.sleep(1.5)
    assert not mark.exists()


def test_a_signal_is_a_negative_code() -> None:
    assert run(Local(), "import os; os.kill(os.getpid(), 6)")[0] == -6
