"""Peaks are read per phase, and what can't be read has a reason and no number."""

from pathlib import Path

import pytest

from targets.agent import memory
from targets.agent.memory import PeakMemory


def test_a_passing_allocation_is_seen_in_its_phase_only() -> None:
    peak = PeakMemory()
    before = peak.resident_bytes()
    if peak.reason:
        pytest.skip(peak.reason)
    assert before is not None
    block = bytearray(b"\x01" * 64_000_000)
    del block
    during, after = peak.phase_bytes(), peak.phase_bytes()
    assert during is not None
    assert after is not None
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
