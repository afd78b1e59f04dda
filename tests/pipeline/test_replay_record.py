"""A record and its plans come out of packages: what is too long is told, and not read."""

import os
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import replay_record
from pipeline.replay_steps import Replaying
from targets.errors import ArtifactError


def of_size(path: Path, size_bytes: int) -> Path:
    path.touch()
    os.truncate(path, size_bytes)  # a hole, which takes no room
    return path


def test_a_record_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    path = of_size(tmp_path / "replay.json", 2**40)
    with pytest.raises(ArtifactError, match=r"replay\.json: has 1,099,511,627,776 bytes, and at"):
        replay_record.read(path)
    with pytest.raises(ArtifactError, match="no record to replay"):
        replay_record.read(of_size(path, replay_record.MOST_RECORD_BYTES))


def test_a_plan_of_gigabytes_is_not_read(tmp_path: Path) -> None:
    of_size(tmp_path / "plan-0.json", 2**40)
    replaying = Replaying(SimpleNamespace(), tmp_path, SimpleNamespace())
    with pytest.raises(ArtifactError, match=r"plan-0\.json: has 1,099,511,627,776 bytes, and at"):
        replaying._plan("plan-0.json")


def test_a_missing_file_is_told_as_that(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="can't be read: No such file"):
        replay_record.read(tmp_path / "replay.json")
