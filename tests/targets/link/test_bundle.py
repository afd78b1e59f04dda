"""The agent's archive: our own files only, the same bytes always, and it runs."""

import json
import os
import subprocess
import sys
import zipfile
from pathlib import Path

from targets.agent.version import EXPECTED, VERSION
from targets.link import bundle


def test_the_same_files_give_the_same_bytes(tmp_path: Path) -> None:
    bundle.write(tmp_path / "a.pyz")
    os.utime(bundle.travelling()[0])
    bundle.write(tmp_path / "b.pyz")
    assert (tmp_path / "a.pyz").read_bytes() == (tmp_path / "b.pyz").read_bytes()


def test_it_holds_the_agent_and_nothing_of_the_desk(tmp_path: Path) -> None:
    bundle.write(tmp_path / "agent.pyz")
    names = zipfile.ZipFile(tmp_path / "agent.pyz").namelist()
    assert {"__main__.py", "targets/agent/__main__.py", "targets/tflite/session.py"} <= set(names)
    assert not [name for name in names if "export" in name or "link" in name or "device" in name]


def test_it_answers_as_the_agent_does(tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "targets.agent"],
        input=json.dumps({EXPECTED: VERSION, "command": "identify", "runtime": "tflite"}),
        capture_output=True,
        env={"PYTHONPATH": str(bundle.file())},
        cwd=tmp_path,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["runtime_version"].startswith("ai-edge-litert")
