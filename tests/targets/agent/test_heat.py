"""Throttling and waiting as synthetic systems show them."""

import stat
import time
from pathlib import Path

import pytest

from targets.agent import heat, waiting
from targets.agent.heat import NOT_THROTTLED, Throttling
from targets.agent.waiting import Waiting


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Shows nothing but what a test writes."""
    monkeypatch.setattr(heat, "COOLING", tmp_path / "thermal")
    monkeypatch.setattr(heat, "THROTTLE_COUNTS", tmp_path / "cpu")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def program(root: Path, name: str, output: str) -> None:
    (root / "bin").mkdir(exist_ok=True)
    file = root / "bin" / name
    file.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{output}\nEND\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def cooling(root: Path, kind: str, state: int) -> None:
    folder = root / "thermal" / "cooling_device0"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "type").write_text(kind)
    (folder / "cur_state").write_text(str(state))


def counted(root: Path, count: int) -> None:
    folder = root / "cpu" / "cpu0" / "thermal_throttle"
    folder.mkdir(parents=True, exist_ok=True)
    (folder / "core_throttle_count").write_text(str(count))


@pytest.mark.parametrize(
    ("output", "told"),
    [
        ("throttled=0x0", NOT_THROTTLED),
        ("throttled=0x50000", NOT_THROTTLED),  # since boot, not now
        ("throttled=0x50005", "throttled: under-voltage, throttled"),
        ("throttled=0x8", "throttled: soft temperature limit"),
    ],
)
def test_a_raspberry_pi(bare_machine: Path, output: str, told: str) -> None:
    program(bare_machine, "vcgencmd", output)
    assert Throttling().told() == told


@pytest.mark.parametrize(
    ("status", "told"),
    [(0, NOT_THROTTLED), (2, "throttled: thermal status moderate"), (99, "throttled: thermal")],
)
def test_android(bare_machine: Path, status: int, told: str) -> None:
    program(bare_machine, "dumpsys", f"IsStatusOverride: false\nThermal Status: {status}")
    assert Throttling().told().startswith(told)


def test_a_program_that_tells_nothing(bare_machine: Path) -> None:
    program(bare_machine, "vcgencmd", "Segmentation fault")
    assert Throttling().told().startswith("unavailable: 'vcgencmd get_throttled'")


def test_a_cooling_device_that_was_at_work_before(bare_machine: Path) -> None:
    cooling(bare_machine, "thermal-cpufreq-0", 2)
    watched = Throttling()
    cooling(bare_machine, "thermal-cpufreq-0", 0)
    assert watched.told() == "throttled: thermal-cpufreq-0 at state 2"
    assert Throttling().told() == NOT_THROTTLED


def test_a_fan_slows_nothing(bare_machine: Path) -> None:
    cooling(bare_machine, "pwm-fan", 3)
    assert Throttling().told().startswith("unavailable: this system shows no cooling device")


def test_a_processor_that_counts(bare_machine: Path) -> None:
    counted(bare_machine, 7)
    watched = Throttling()
    assert watched.told() == NOT_THROTTLED
    counted(bare_machine, 9)
    assert watched.told() == "throttled: 2 times by the processor itself"


def test_waiting_is_a_share_of_time(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    account = bare_machine / "schedstat"
    monkeypatch.setattr(waiting, "SCHEDSTAT", account)
    account.write_text("5000 1000 3\n")
    begin = time.perf_counter_ns()
    watched = Waiting()
    time.sleep(0.01)
    account.write_text("5000 1001000 4\n")
    share = watched.share()
    passed = time.perf_counter_ns() - begin
    assert share is not None
    assert 1e6 / passed <= share <= 0.1  # 1 ms of 10 ms or more


@pytest.mark.parametrize("content", ["0 0 0", "", "a b c"])
def test_a_system_without_an_account(
    bare_machine: Path, monkeypatch: pytest.MonkeyPatch, content: str
) -> None:
    monkeypatch.setattr(waiting, "SCHEDSTAT", bare_machine / "schedstat")
    assert Waiting().share() is None
    (bare_machine / "schedstat").write_text(content)
    assert Waiting().share() is None
