"""Peaks are read per phase, and what can't be read has a reason and no number."""

import json
import subprocess
import sys
from pathlib import Path

import pytest

from targets.agent import memory
from targets.agent.memory import PeakMemory

PASSING = """
import json
from targets.agent.memory import PeakMemory

peak = PeakMemory()
before = peak.resident_bytes()
block = bytearray(b"\\x01" * 64_000_000)
del block
print(json.dumps([peak.reason, before, peak.phase_bytes(), peak.phase_bytes()]))
"""
"""In a process of its own, as the agent's: one that has run much else may keep what it frees."""


def test_a_passing_allocation_is_seen_in_its_phase_only() -> None:
    root = Path(memory.__file__).parents[2]
    found = subprocess.run(
        [sys.executable, "-c", PASSING], cwd=root, capture_output=True, check=True
    ).stdout
    reason, before, during, after = json.loads(found)
    if reason:
        pytest.skip(reason)
    assert during > before + 60_000_000
    assert after < before + 30_000_000


def test_no_permission_is_a_reason(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "no" / "clear_refs")
    peak = PeakMemory()
    assert peak.resident_bytes() is None
    assert peak.phase_bytes() is None
    assert peak.reason is not None
    assert "can't be reset" in peak.reason


def test_a_kernel_without_peaks_is_a_reason(
    monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    (tmp_path / "status").write_text("Name: x\n")
    monkeypatch.setattr(memory, "STATUS", tmp_path / "status")
    monkeypatch.setattr(memory, "CLEAR_REFS", tmp_path / "clear_refs")
    peak = PeakMemory()
    assert peak.resident_bytes() is None
    assert peak.reason is not None
    assert "no VmHWM" in peak.reason
