"""`devices`, `doctor --device` and `check` on devices behind a real sshd and the real adb."""

import json
import os
import sys
import threading
import zipfile
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper, numpy_helper
from typer.testing import CliRunner

from pipeline.cli import app
from targets import device as devices
from targets.measurement import TimingRule

GENEROUS = ("--limit", "latency_ms.p50=1000")


@pytest.fixture(autouse=True)
def hurried(monkeypatch):
    """One short sitting decides nothing that a test asserts."""
    rule = replace(TimingRule.quick(), attempts=1)
    monkeypatch.setattr("targets.sign_test.asked_rule", lambda *_: rule)


def invoke(*arguments):
    return CliRunner().invoke(app, [str(one) for one in arguments])


@pytest.fixture
def model(tmp_path) -> Path:
    """A matrix product of a few microseconds."""
    weights = numpy_helper.from_array(np.ones((8, 8), np.float32), "w")
    graph = helper.make_graph(
        [helper.make_node("MatMul", ["x", "w"], ["y"])],
        "product",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, (1, 8))],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, (1, 8))],
        [weights],
    )
    opset = [helper.make_opsetid("", 17)]
    onnx.save(
        helper.make_model(graph, opset_imports=opset, ir_version=8), tmp_path / "a model.onnx"
    )
    return tmp_path / "a model.onnx"


def added(device, name="board"):
    """The arguments of `devices add` for a device of the tests."""
    options = ["--folder", device.root.parent, "--python", sys.executable]
    address = device.server.address
    if device.profile.link == "adb":
        return ["devices", "add", name, "--adb", address.serial, *options]
    where = f"{address.user}@{address.host}:{address.port}"
    return ["devices", "add", name, "--ssh", where, "--key", address.key_file, *options]


def test_a_device_is_added_shown_probed_and_removed(device):
    result = invoke(*added(device), "--json")
    assert result.exit_code == 0, result.output
    probe = json.loads(result.stdout)["probe"]
    assert probe["cores"] == os.cpu_count()
    assert "onnxruntime" in probe["packages"]
    profile = devices.load("board")
    assert profile.arch == os.uname().machine
    assert profile.memory_mb is not None
    assert profile.unsourced() == []
    assert "board" in invoke("devices", "list").stdout
    assert json.loads(invoke("devices", "probe", "board", "--json").stdout)["probe"] == probe
    again = invoke(*added(device))
    assert again.exit_code == 2
    assert "devices remove board" in again.output
    assert invoke("devices", "remove", "board").exit_code == 0
    assert device.left() == []
    unknown = invoke("devices", "show", "board")
    assert (unknown.exit_code, "no device is called 'board'" in unknown.output) == (2, True)


def test_a_kind_of_another_processor_is_refused(device):
    result = invoke(*added(device), "--like", "raspberry-pi-5")
    assert result.exit_code == 2
    assert "'raspberry-pi-5' is aarch64" in result.output
    assert "board" not in devices.names()


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        (["board"], "--ssh user@host[:port], or --adb SERIAL"),
        (["a;reboot", "--adb", "1"], "can't name a device"),
        (["host", "--adb", "1"], "a device called 'host' already"),
        (["board", "--adb", "$(x)"], "no serial"),
        (["board", "--ssh", "a b"], "no SSH address"),
        (["board", "--ssh", "a", "--jump", "b c"], "no SSH address"),
        (["board", "--ssh", "a", "--key", "/no/key"], "no such key"),
        (["board", "--ssh", "a", "--folder", "/a b"], "folder"),
        (["board", "--adb", "1", "--like", "pixl-8"], "did you mean 'pixel-8'"),
    ],
)
def test_what_can_not_be_added_is_told(arguments, told, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    result = invoke("devices", "add", *arguments)
    assert result.exit_code == 2, result.output
    assert told in " ".join(result.output.split())


def test_a_profile_of_a_kind_asks_for_an_address(model, tmp_path, monkeypatch):
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path))
    result = invoke("check", model, "--device", "raspberry-pi-5", *GENEROUS)
    assert result.exit_code == 2
    assert "devices add NAME --ssh user@host --like raspberry-pi-5" in result.output


def test_a_model_is_checked_there(device, model):
    device.write_profile()
    result = invoke("check", model, "--device", "board", *GENEROUS, "--json")
    assert result.exit_code in (0, 4), result.output  # 4 where this machine is disturbed
    found = json.loads(result.stdout)
    assert found["measurement"]["provenance"] == "measured-on-device"
    assert found["measurement"]["conditions"]["device"] == "board"
    assert found["verdict"]["lines"][0]["observed"] < 1000


def test_several_devices_make_one_table_and_one_exit_code(device, model, monkeypatch):
    monkeypatch.setenv("COLUMNS", "200")
    device.write_profile()
    names = "board,host"
    result = invoke("check", model, "--device", names, "--limit", "size_kb=1e-6")
    assert result.exit_code == 3, result.output
    assert [line.split()[0] for line in result.stdout.splitlines()] == ["device", "board", "host"]
    device.server.stop()
    gone = invoke("check", model, "--device", names, *GENEROUS, "--json")
    document = json.loads(gone.stdout)
    assert gone.exit_code == document["exit_code"] == 5
    board, host = document["devices"]
    assert board["error"]["kind"] == "DeviceUnreachable"
    assert host["verdict"]["lines"][0]["observed"] < 1000


@pytest.mark.parametrize(
    ("names", "told"),
    [("host,host", "named twice"), ("host,pixl-8", "did you mean 'pixel-8'"), ("host,", "name a")],
)
def test_several_devices_must_be_known(model, names, told):
    result = invoke("check", model, "--device", names, *GENEROUS)
    assert result.exit_code == 2
    assert told in result.output


def test_a_link_that_goes_mid_measurement_ends_with_5(device, model, monkeypatch):
    device.write_profile()

    def unplug():
        device.wait_for_agent()
        device.server.stop()

    threading.Thread(target=unplug).start()
    endless = replace(TimingRule.quick(), min_seconds=300.0, max_seconds=300.0)
    monkeypatch.setattr("targets.sign_test.asked_rule", lambda *_: endless)
    result = invoke("check", model, "--device", "board", *GENEROUS)
    assert result.exit_code == 5, result.output
    assert "can't be reached by" in result.output
    assert device.left() == []


def test_the_doctor_examines_a_device(device):
    device.write_profile()
    result = invoke("doctor", "--device", "board", "--json")
    findings = {one["name"]: one for one in json.loads(result.stdout)}
    assert result.exit_code == 0, result.output
    assert findings["onnxruntime"]["status"] == "ok"
    assert {"python", "numpy", "tflite", "glibc", "CPU governor", "disk"} <= set(findings)


def test_wheels_that_fit_are_put_there(device, tmp_path):
    device.write_profile()
    folder = tmp_path / "wheels"
    folder.mkdir()
    for tag in ("py3-none-any", "cp39-cp39-manylinux_2_17_riscv64"):
        with zipfile.ZipFile(folder / f"pretended-1.0-{tag}.whl", "w") as wheel:
            wheel.writestr("pretended/__init__.py", f"TAG = '{tag}'")
    result = invoke("doctor", "--device", "board", "--install", folder, "--json")
    installed = [one["name"] for one in json.loads(result.stdout) if "installed" in one["name"]]
    assert installed == ["installed pretended-1.0-py3-none-any.whl"]
    code = (device.root / "site" / "pretended" / "__init__.py").read_text()
    assert code == "TAG = 'py3-none-any'"


def test_a_wheel_that_takes_too_long_to_unpack_is_told(device, tmp_path, monkeypatch):
    device.write_profile()
    with zipfile.ZipFile(tmp_path / "pretended-1.0-py3-none-any.whl", "w") as wheel:
        wheel.writestr("pretended/__init__.py", "")
    monkeypatch.setattr("pipeline.device_doctor._INSTALL_S", 0.0)
    result = invoke("doctor", "--device", "board", "--install", tmp_path)
    assert result.exit_code == 5
    assert "unpacking pretended-1.0-py3-none-any.whl there gave no answer in 0 s" in result.output


def test_wheels_that_do_not_fit_are_told(device, tmp_path):
    device.write_profile()
    (tmp_path / "onnxruntime-1.0-cp39-cp39-manylinux_2_17_riscv64.whl").write_bytes(b"")
    result = invoke("doctor", "--device", "board", "--install", tmp_path)
    assert result.exit_code == 7
    assert "no wheel fits" in result.output
