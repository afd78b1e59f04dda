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
    assert device.names() == ["box", "host"]


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
        ("name: [", "can't be read"),
        ("", "box.yaml"),
    ],
)
def test_a_broken_profile_is_told(own: Path, content: str, told: str) -> None:
    (own / "box.yaml").write_text(content)
    with pytest.raises(UsageError, match=told):
        device.load("box")
