"""Profiles are found by name and told off by name, file and key."""

import platform
from pathlib import Path
from typing import get_args

import pytest

from targets import device
from targets.artifact import FORMAT_OF_RUNTIME
from targets.errors import UsageError


@pytest.fixture
def own(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path))
    folder = tmp_path / "edgesmith" / "devices"
    folder.mkdir(parents=True)
    return folder


def test_host_is_this_machine() -> None:
    host = device.load("host")
    assert host.arch == platform.machine()
    assert host.link == "local"
    assert set(host.runtimes) == set(get_args(device.Runtime)) == set(FORMAT_OF_RUNTIME)


@pytest.mark.parametrize(
    ("arch", "runtime", "expected"),
    [
        ("x86_64", "onnxruntime", "uint8"),
        ("x86_64", "tflite", "int8"),
        ("aarch64", "onnxruntime", "int8"),
    ],
)
def test_activations_by_architecture(arch: str, runtime: device.Runtime, expected: str) -> None:
    profile = device.DeviceProfile(name="d", arch=arch, runtimes=("onnxruntime",))
    assert profile.activations_for(runtime) == expected


def test_a_profile_may_say_its_activations() -> None:
    profile = device.DeviceProfile(
        name="d", arch="x86_64", runtimes=("onnxruntime",), activations={"onnxruntime": "int8"}
    )
    assert profile.activations_for("onnxruntime") == "int8"


def test_the_users_own_profile_is_found(own: Path) -> None:
    (own / "box.yaml").write_text("name: box\nruntimes: [tflite]\n")
    assert device.load("box").runtimes == ("tflite",)
    assert {"box", "host"} <= set(device.names())


@pytest.mark.parametrize("name", sorted(file.stem for file in device.SHIPPED.glob("*.yaml")))
def test_every_fact_of_a_shipped_profile_has_a_source(name: str) -> None:
    profile = device.load(name)
    assert profile.description
    assert profile.unsourced() == []
    assert set(profile.accelerates) <= set(profile.runtimes)
    assert profile.ssh is profile.adb is None  # where a device is, only its owner knows


@pytest.mark.parametrize("name", ["a b", "$(reboot)", "../host", "Pi5", "", "a" * 64, "ä"])
def test_a_name_that_no_device_can_have_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match="can't name a device"):
        device.load(name)


def test_an_unknown_device_is_told_the_nearest(own: Path) -> None:
    with pytest.raises(UsageError, match="did you mean 'host'"):
        device.load("hots")


@pytest.mark.parametrize(
    ("content", "told"),
    [
        ("name: box\nruntimes: [tensorrt]\n", "key 'runtimes.0'.*found 'tensorrt'"),
        ("name: box\nruntimes: []\n", "key 'runtimes'"),
        ("name: other\nruntimes: [tflite]\n", "key 'name': found 'other'"),
        ("name: box\nruntimes: [tflite]\nspeed: 3\n", "key 'speed'"),
        ("name: box\nruntimes: [tflite]\nmemory_gb: 4\n", "key 'memory_gb'"),
        ("name: box\nruntimes: [tflite]\nmemory_mb: 4 GB\n", "key 'memory_mb'.*found '4 GB'"),
        ("name: box\nruntimes: [tflite]\nssh: {host: -oProxy}\nlink: ssh\n", "key 'ssh.host'"),
        ("name: box\nruntimes: [tflite]\nssh: {host: a}\n", "another link than 'local'"),
        ("name: box\nruntimes: [tflite]\nlink: usb\n", "key 'link'.*found 'usb'"),
        ("name: box\nruntimes: [tflite]\nfolder: /a;b\n", "key 'folder'"),
        ("name: box\nruntimes: [tflite]\nsources: {sock: x}\n", "unknown facts: sock"),
        (
            "name: box\nruntimes: [tflite]\npin: [4]\ncores: [{kind: A, count: 1, ids: [0]}]\n",
            "pin .4. names cores",
        ),
        ("name: box\nruntimes: [tflite]\nfolder: /a/../b\n", "key 'folder'.*no '..'"),
        ('name: box\nruntimes: [tflite]\nsensor: "meter \'x"\n', "key 'sensor'.*No closing quot"),
        ("name: box\nruntimes: [tflite]\nsensor: ' '\n", "key 'sensor'.*no command"),
        ('name: box\nruntimes: [tflite]\nsensor: "a\\0b"\n', "key 'sensor'.*no command"),
        (
            "name: box\nruntimes: [openvino]\nvendor: {openvino: {program: /x}}\n",
            "key 'vendor.openvino.*'tflite' or 'onnxruntime'",
        ),
        (
            "name: box\nruntimes: [tflite]\nvendor: {tflite: {program: ~/x}}\n",
            "key 'vendor.tflite.program'.*found '~/x'",
        ),
        (
            "name: box\nruntimes: [tflite]\nvendor: {tflite: {program: /a/../x}}\n",
            "key 'vendor.tflite.program'.*no '..'",
        ),
        ("name: [", "can't be read"),
        ("", "box.yaml"),
    ],
)
def test_a_broken_profile_is_told(own: Path, content: str, told: str) -> None:
    (own / "box.yaml").write_text(content)
    with pytest.raises(UsageError, match=told):
        device.load("box")
