"""The look-up by name, and the answers of a device that can't be trusted."""

import hashlib
import json
import os
import subprocess
import sys
import time
from pathlib import Path

import pytest

from targets.agent.version import VERSION
from targets.artifact import Artifact
from targets.device import DeviceProfile, load
from targets.errors import DeviceUnreachable, UsageError
from targets.link.contract import Completed
from targets.link.local import Local
from targets.measurement import TimingRule
from targets.target import Target, find


class Lying(Local):
    """A link whose agent answers something else."""

    def __init__(self, stdout: bytes) -> None:
        super().__init__()
        self.stdout = stdout

    def run(self, *_: object, **__: object) -> Completed:
        told = {"agent": VERSION, **json.loads(self.stdout)}
        return Completed(0, json.dumps(told).encode(), b"")


def test_an_unknown_runtime_is_told_the_nearest() -> None:
    with pytest.raises(UsageError, match=r"no runtime 'tflight'; did you mean 'tflite'\? It has:"):
        find(load("host"), "tflight")


def test_a_profile_of_another_machine_is_not_this_one() -> None:
    profile = DeviceProfile(name="board", arch="riscv64", runtimes=("tflite",))
    with pytest.raises(DeviceUnreachable, match="'board' is riscv64"):
        find(profile, "tflite")


def test_a_profile_for_estimates_is_not_measured() -> None:
    profile = DeviceProfile(name="board", link="none", arch="armv7em", runtimes=("tflite",))
    with pytest.raises(DeviceUnreachable, match="estimates only"):
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
        b'{"inputs": [{"name": "x", "shape": [Infinity], "dtype": "int8", "quantization": null}],'
        b'"outputs": [], "executed": [], "notes": [], "runtime_version": "1"}',
        b'{"inputs": [{"name": "x", "shape": [1], "dtype": "int8", "quantization":'
        b'{"scale": null, "zero_point": 0}}],'
        b'"outputs": [], "executed": [], "notes": [], "runtime_version": "1"}',
        b'{"inputs": [], "outputs": [], "executed": [{"name": "x", "type": "y", "dtype": "int8",'
        b'"macs": "many"}], "notes": [], "runtime_version": "1"}',
        b'{"inputs": [], "outputs": [], "executed": [{"name": "x", "type": null,'
        b'"dtype": "int8"}], "notes": [], "runtime_version": "1"}',
    ],
)
def test_a_malformed_description_is_the_devices_fault(stdout: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"x")
    target = Target(load("host"), "tflite", Lying(stdout))
    with pytest.raises(DeviceUnreachable, match="malformed"):
        target.describe(tmp_path / "m.tflite")


@pytest.mark.parametrize(
    "stdout",
    [
        b'{"latency_ns": []}',
        b'{"latency_ns": [0], "load_ns": 1, "first_inference_ns": 1, "reference_ns_before": 1,'
        b'"reference_ns_after": 1, "warmup_iterations": 1, "conditions": {}}',
        b'{"latency_ns": [1], "load_ns": 1, "first_inference_ns": 1, "reference_ns_before": 1,'
        b'"reference_ns_after": 1, "warmup_iterations": 1, "conditions": null}',
        b'{"latency_ns": 5, "load_ns": 1, "first_inference_ns": 1, "reference_ns_before": 1,'
        b'"reference_ns_after": 1, "warmup_iterations": 1, "conditions": {}}',
    ],
)
def test_malformed_times_are_the_devices_fault(stdout: bytes, tmp_path: Path) -> None:
    (tmp_path / "m.tflite").write_bytes(b"x")
    artifact = Artifact(
        tmp_path / "m.tflite", "tflite", hashlib.sha256(b"x").hexdigest(), 1, (), ()
    )
    with pytest.raises(DeviceUnreachable, match="malformed"):
        Target(load("host"), "tflite", Lying(stdout)).sample(artifact, TimingRule.quick())


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
