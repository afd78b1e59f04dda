"""The .deb, as dpkg sees it."""

import io
import os
import shutil
import subprocess
import sys
import tarfile
from pathlib import Path

import pytest

from pipeline.package.linux.build import build
from pipeline.package.linux.deb import deb, folders
from pipeline.package.opening import opened

SERVICE = "edgesmith-digits-tflite.service"


@pytest.fixture
def dpkg() -> None:
    if shutil.which("dpkg") is None or shutil.which("dpkg-deb") is None:
        pytest.skip("no dpkg on the PATH; apt-get install dpkg")


@pytest.fixture
def package(any_made, deliver, tmp_path: Path) -> Path:
    delivery = deliver(any_made)
    path = tmp_path / f"{delivery.title}.deb"
    path.write_bytes(build(delivery, None)[path.name])
    return path


def installed(package: Path, root: Path) -> Path:
    """Installs into a scratch root, which has neither a shell nor Python."""
    (root / "var/lib/dpkg/info").mkdir(parents=True)
    (root / "var/lib/dpkg/updates").mkdir()
    (root / "var/lib/dpkg/status").touch()
    command = ["dpkg", f"--root={root}", "--force-not-root", "--force-depends", "--log=/dev/null"]
    done = subprocess.run([*command, "--install", package], capture_output=True, check=False)
    assert done.returncode == 0, done.stderr
    return root / "opt/edgesmith" / package.stem


def test_it_installs_below_any_root_and_its_self_test_passes(dpkg, package, tmp_path: Path):
    home = installed(package, tmp_path / "root")
    command = [sys.executable, "-I", home / "run.py", "--self-test"]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "self-test passed: 8 golden samples" in done.stdout


def test_dpkg_reads_what_the_package_says_of_itself(dpkg, package):
    fields = ("Package", "Architecture", "Depends", "Version")
    told = subprocess.run(
        ["dpkg-deb", "--field", package, *fields], capture_output=True, text=True, check=True
    ).stdout
    assert f"Package: edgesmith-{package.stem}\n" in told
    assert "Architecture: all\n" in told
    assert "Depends: python3 (>= 3.11), python3-venv\n" in told
    version = next(line for line in told.splitlines() if line.startswith("Version: "))
    valid = ["dpkg", "--validate-version", version.removeprefix("Version: ")]
    subprocess.run(valid, check=True)


def test_its_files_are_those_of_the_archive_beside_it(any_made, deliver, tmp_path: Path):
    delivery = deliver(any_made)
    archives = build(delivery, None)
    for name, content in archives.items():
        (tmp_path / name).write_bytes(content)
    with opened(tmp_path / f"{delivery.title}.tar.gz") as first:
        packed = {path: one.sha256 for path, one in first.files.items()}
    with opened(tmp_path / f"{delivery.title}.deb") as second:
        assert {path: one.sha256 for path, one in second.files.items()} == packed
        known = set(packed.values())
        assert {one.sha256 for one in second.around.values()} <= known
        assert len(second.around) == 3


def test_nothing_in_it_depends_on_who_makes_it_or_when(monkeypatch):
    files = {"opt/a/b.txt": b"b", "opt/a.txt": b"a"}
    first = deb(b"Package: x\n", files)
    assert deb(b"Package: x\n", dict(reversed(files.items()))) == first
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    later = deb(b"Package: x\n", files)
    assert later != first
    assert later[8:].startswith(
        b"debian-binary   1700000000  0     0     100644  4         `\n2.0\n"
    )


def test_folders_come_before_what_is_in_them():
    assert folders({"opt/a/b/c": b"", "opt/a/d": b"", "e": b""}) == ["opt", "opt/a", "opt/a/b"]
    content = deb(b"Package: x\n", {"opt/a/b": b"1"})
    data = content[content.index(b"data.tar.gz") + 60 :]
    with tarfile.open(fileobj=io.BytesIO(data)) as archive:
        kinds = [(one.name, one.isdir(), one.mode) for one in archive.getmembers()]
    assert kinds == [("opt", True, 0o755), ("opt/a", True, 0o755), ("opt/a/b", False, 0o644)]


def test_systemd_takes_the_service(dpkg, made_tflite, deliver, tmp_path: Path):
    if shutil.which("systemd-analyze") is None:
        pytest.skip("no systemd-analyze; apt-get install systemd")
    delivery = deliver(made_tflite)
    path = tmp_path / f"{delivery.title}.deb"
    path.write_bytes(build(delivery, None)[path.name])
    home = installed(path, tmp_path / "root")
    unit = (tmp_path / "root/usr/lib/systemd/system" / SERVICE).read_text()
    assert unit == (home / SERVICE).read_text()
    here = unit.replace("/opt/edgesmith/digits-tflite/.venv/bin/python", sys.executable)
    (tmp_path / SERVICE).write_text(here.replace("/opt/edgesmith/digits-tflite", str(home)))
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", tmp_path / SERVICE],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "SYSTEMD_LOG_LEVEL": "warning"},
    )
    ours = [line for line in done.stderr.splitlines() if SERVICE in line]
    assert (done.returncode, ours) == (0, [])
