"""The small models that the targets' tests share, made once per session."""

import subprocess
import sys
from pathlib import Path

import pytest

HERE = Path(__file__).parent


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder that make_models.py filled."""
    folder = tmp_path_factory.mktemp("models")
    subprocess.run(
        [sys.executable, str(HERE / "make_models.py"), str(folder)],
        check=True,
        capture_output=True,
        timeout=240,
    )
    return folder
