"""Linux packages of the small models, as they lie on a device."""

import io
import tarfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.package.contents import Delivery
from pipeline.package.linux.build import build


@pytest.fixture
def unpacked(tmp_path: Path) -> Callable[[Delivery], Path]:
    """Builds a package and gives the folder that it unpacks to."""

    def unpack(delivery: Delivery) -> Path:
        content = build(delivery, None)[f"{delivery.title}.tar.gz"]
        with tarfile.open(fileobj=io.BytesIO(content)) as archive:
            archive.extractall(tmp_path, filter="data")
        return tmp_path / delivery.title

    return unpack


@pytest.fixture(scope="session")
def made_tflite(make_artifact, tmp_path_factory: pytest.TempPathFactory):
    """A .tflite artifact and its golden vectors."""
    return make_artifact("tflite", tmp_path_factory.mktemp("tflite"))
