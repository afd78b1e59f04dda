"""PSS and a control group's peak, from synthetic systems; what is not there is None, never 0."""

import stat
from pathlib import Path

import pytest

from targets.agent import shared_memory
from targets.agent.shared_memory import android_pss_bytes, cgroup_peak_bytes, pss_bytes

NEWER = """Applications Memory Usage (in Kilobytes):
                   Pss  Private  Private
        TOTAL     9999     8000      100
 App Summary
           TOTAL PSS:    52340            TOTAL RSS:    98020       TOTAL SWAP (KB):        0
"""
OLDER = """** MEMINFO in pid 4711 [python3] **
  Native Heap     1100     1060
        TOTAL    52340    41200
"""


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(shared_memory, "SMAPS", tmp_path / "smaps_rollup")
    monkeypatch.setattr(shared_memory, "CGROUP", tmp_path / "cgroup")
    monkeypatch.setattr(shared_memory, "CGROUPS", tmp_path / "cgroups")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def test_what_is_not_there_is_none() -> None:
    assert pss_bytes() is None
    assert cgroup_peak_bytes() is None


def test_linux(bare_machine: Path) -> None:
    (bare_machine / "smaps_rollup").write_text("55d0-7ffc [rollup]\nRss: 900 kB\nPss:  640 kB\n")
    assert pss_bytes() == 640 * 1024


def test_android(bare_machine: Path) -> None:
    (bare_machine / "bin").mkdir()
    program = bare_machine / "bin" / "dumpsys"
    program.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{OLDER}\nEND\n")
    program.chmod(program.stat().st_mode | stat.S_IXUSR)
    assert pss_bytes() == 52340 * 1024


@pytest.mark.parametrize(("told", "kb"), [(OLDER, 52340), (NEWER[NEWER.index(" App") :], 52340)])
def test_meminfo_in_its_forms(told: str, kb: int) -> None:
    assert android_pss_bytes(told) == kb * 1024
    assert android_pss_bytes("No process found for: 4711") is None


@pytest.mark.parametrize(("peak", "found"), [("7340032\n", 7340032), ("max\n", None)])
def test_a_control_group(bare_machine: Path, peak: str, found: int | None) -> None:
    (bare_machine / "cgroup").write_text("0::/jobs/one\n")
    folder = bare_machine / "cgroups" / "jobs" / "one"
    folder.mkdir(parents=True)
    (folder / "memory.peak").write_text(peak)
    assert cgroup_peak_bytes() == found


def test_an_older_control_group_tells_nothing(bare_machine: Path) -> None:
    (bare_machine / "cgroup").write_text("5:memory:/jobs\n")
    assert cgroup_peak_bytes() is None
