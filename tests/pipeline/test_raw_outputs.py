"""Outputs are gathered in bounded memory, and come back from their files as they were."""

from pathlib import Path

import numpy as np
import pytest

from pipeline import raw_outputs


def batches(*sizes: int) -> list[list[np.ndarray]]:
    return [[np.full((size, 2), size, np.float32), np.ones((size, 100))] for size in sizes]


def test_the_first_is_whole_and_others_hold_what_fits(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(raw_outputs, "MOST_BYTES", 4000)  # a sample of the second takes 800
    first, second = raw_outputs.gathered(batches(3, 4, 2))
    assert first[:, 0].tolist() == [3] * 3 + [4] * 4 + [2] * 2
    assert second.shape == (5, 100)
    monkeypatch.setattr(raw_outputs, "MOST_BYTES", 1)
    assert len(raw_outputs.gathered(batches(3, 4))[1]) == 1


def test_nothing_is_gathered_of_nothing(tmp_path: Path) -> None:
    assert raw_outputs.gathered([]) == ()
    assert raw_outputs.load(tmp_path, "reference") == ()


def test_files_hold_what_was_gathered(tmp_path: Path) -> None:
    arrays = raw_outputs.gathered(batches(3))
    raw_outputs.save(arrays, tmp_path, "reference")
    assert sorted(one.name for one in tmp_path.iterdir()) == ["reference.1.npy", "reference.npy"]
    again = raw_outputs.load(tmp_path, "reference")
    assert [one.tobytes() for one in again] == [one.tobytes() for one in arrays]
