"""Archives of any members, and the message with which one is refused."""

import gzip
import io
import stat
import tarfile
import warnings
import zipfile
from collections.abc import Callable
from pathlib import Path

import pytest

from pipeline.package.opening import opened
from targets.errors import EdgesmithError, PackageRefused


@pytest.fixture
def refused(tmp_path: Path) -> Callable[[bytes], str]:
    """The message with which an archive is refused, once it is seen that nothing was written."""

    def tell(content: bytes, kind: type[EdgesmithError] = PackageRefused) -> str:
        path = tmp_path / "package"
        path.write_bytes(content)
        before = set(tmp_path.parent.rglob("*"))
        with pytest.raises(kind) as told, opened(path):
            pass
        assert set(tmp_path.parent.rglob("*")) == before
        assert not Path("/tmp/evil").exists()
        return str(told.value)

    return tell


@pytest.fixture(scope="session")
def zip_entry() -> Callable[[str, int], zipfile.ZipInfo]:
    """A member by its name, whatever that is, and its mode."""
    return zip_info


@pytest.fixture(scope="session")
def zip_of() -> Callable[..., bytes]:
    """A zip of members, each by its name, or as an entry."""
    return zipped


@pytest.fixture(scope="session")
def tar_entry() -> Callable[..., tarfile.TarInfo]:
    """A member by its name, its type and more of its facts."""
    return tar_info


@pytest.fixture(scope="session")
def tar_of() -> Callable[..., bytes]:
    """A .tar.gz of members, each by its name, or as an entry."""
    return tar_gz


def zip_info(name: str, mode: int) -> zipfile.ZipInfo:
    info = zipfile.ZipInfo("x")
    info.filename = info.orig_filename = name
    info.create_system, info.external_attr = 3, mode << 16
    return info


def zipped(*members: tuple[str | zipfile.ZipInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with warnings.catch_warnings(), zipfile.ZipFile(stream, "w") as archive:
        warnings.simplefilter("ignore")  # of two members with one name
        for name, content in members:
            info = zip_info(name, stat.S_IFREG | 0o644) if isinstance(name, str) else name
            method = zipfile.ZIP_DEFLATED if content else zipfile.ZIP_STORED
            archive.writestr(info, content, method)
    return stream.getvalue()


def tar_info(name: str, kind: bytes = tarfile.REGTYPE, **facts) -> tarfile.TarInfo:
    info = tarfile.TarInfo(name)
    info.type = kind
    for key, value in facts.items():
        setattr(info, key, value)
    return info


def tar_gz(*members: tuple[str | tarfile.TarInfo, bytes]) -> bytes:
    stream = io.BytesIO()
    with tarfile.open(fileobj=stream, mode="w", format=tarfile.GNU_FORMAT) as archive:
        for name, content in members:
            info = tarfile.TarInfo(name) if isinstance(name, str) else name
            info.size = len(content) or info.size
            archive.addfile(info, io.BytesIO(content))
    return gzip.compress(stream.getvalue())
