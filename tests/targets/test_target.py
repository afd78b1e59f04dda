"""The look-up by name, and the answers of a device that can't be trusted."""

import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from targets.device import DeviceProfile, load
from targets.errors import DeviceUnreachable, UsageError
from targets.link.contract import Completed
from targets.link.local import Local
from targets.target import Target, find


class Lying(Local):
    """A link whose agent answers something else."""

    def __init__(self, stdout: bytes) -> None:
        self.stdout = stdout

    def run(self, *_: object, **__: object) -> Completed:
        return Completed(0, self.stdout, b"")


def test_an_unknown_runtime_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no runtime 'tflight'; did you mean 'tflite'\? It has:"):
        find(load("host"), "tflight")


def test_a_profile_of_another_machine_is_not_this_one() -> None:
    profile = DeviceProfile(name="board", arch="riscv64", runtimes=("tflite",))
    with pytest.raises(DeviceUnreachable, match="'board' is riscv64"):
        find(profile, "tflite")


def test_a_link_that_there_is_not_is_told() -> None:
    profile = DeviceProfile(name="board", link="adb", arch="aarch64", runtimes=("tflite",))
    with pytest.raises(DeviceUnreachable, match="linked by adb"):
        find(profile, "tflite")


@pytest.mark.parametrize(
    "stdout",
    [
        b"{}",
        b'{"inputs": 3, "outputs": [], "executed": [], "notes": [], "runtime_version": "1"}',
        b'{"inputs": [{"name": "x", "shape": ["a"], "dtype": "float32", "quantization": null}],'
        b'"outputs": [], "executed": [], "notes": [], "runtime_version": "1"}',
        b'{"inputs": [{"name": "x", "shape": [1], "dtype": "object32", "quantization": null}],'
        b'"outputs": [], "executed": [], "notes": [], "runtime_version": "1"}',
    ],
)
def test_a_malformed_description_is_the_devices_fault(stdout: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"x")
    target = Target(load("host"), "tflite", Lying(stdout))
    with pytest.raises(DeviceUnreachable, match="malformed"):
        target.describe(tmp_path / "m.tflite")


def test_a_process_dies_with_the_one_that_asked(models: Path) -> None:
    program = (
        "import sys; from pathlib import Path; from targets.device import load;"
        "from targets.target import find; from targets.measurement import TimingRule;"
        "target = find(load('host'), 'onnxruntime');"
        "artifact = target.describe(Path(sys.argv[1])).artifact; print('ready', flush=True);"
        "target.sample(artifact, TimingRule(min_seconds=60.0))"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", program, str(models / "net.onnx")], stdout=subprocess.PIPE
    )
    with asking:
        assert asking.stdout is not None
        asking.stdout.readline()
        child = first_child(asking.pid)
        asking.kill()
    deadline = time.monotonic() + 20
    while alive(child) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert not alive(child)


def first_child(pid: int) -> int:
    """The first child of a process, once it maps its runtime: it is confined before that."""
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
        if children and "onnxruntime" in Path(f"/proc/{children[0]}/maps").read_text():
            return int(children[0])
        time.sleep(0.02)
    raise AssertionError("the agent never started")


def alive(pid: int) -> bool:
    """Whether the process runs; a zombie that nobody waits for does not."""
    try:
        os.kill(pid, 0)
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except (ProcessLookupError, FileNotFoundError):
        return False
