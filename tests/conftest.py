"""Devices on this machine (a real sshd on loopback, and a pretended adbd behind the real `adb`).

In CI every tool is installed: a test that is skipped there has failed. No property is timed: tests
run beside whatever else the machine does. And no test loads OpenVINO's telemetry, whichever imports
OpenVINO first in its process: it forks to reach a server."""

import contextlib
import json
import os
import shutil
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from hypothesis import settings

from targets.address import AdbAddress, SshAddress
from targets.device import DeviceProfile, own_folder
from targets.link.connect import link_to
from targets.link.contract import Link

sys.modules.setdefault("openvino_telemetry", None)

settings.register_profile("untimed", deadline=None)
settings.load_profile("untimed")

HERE = Path(__file__).parent
KINDS = ("ssh", "adb")


@dataclass
class Sshd:
    """A server with keys of its own, that can be stopped and started again."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.port = self.port or free_port()
        (self.folder / "config").write_text(
            f"Port {self.port}\nListenAddress 127.0.0.1\nHostKey {self.folder}/host\n"
            f"AuthorizedKeysFile {self.folder}/mine.pub\nStrictModes no\nUsePAM no\n"
            "PasswordAuthentication no\nPidFile none\nLogLevel QUIET\n"
        )
        Path("/run/sshd").mkdir(exist_ok=True)
        self.process = subprocess.Popen(
            ["/usr/sbin/sshd", "-D", "-e", "-f", str(self.folder / "config")],
            start_new_session=True,
            stderr=subprocess.DEVNULL,
        )
        wait_for(self.port)

    def new_key(self, name: str) -> None:
        (self.folder / name).unlink(missing_ok=True)
        command = ["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", str(self.folder / name)]
        subprocess.run(command, check=True)

    def drop(self) -> None:
        """Ends every connection; the server goes on."""
        for child in children(self.process.pid):
            with contextlib.suppress(FileNotFoundError, ProcessLookupError):
                if Path(f"/proc/{child}/comm").read_text().startswith("sshd"):
                    kill(child)  # its shells are the device's own: they have to notice

    def stop(self) -> None:
        if self.process is not None:
            self.process.send_signal(signal.SIGSTOP)  # accepts no more, and is still the parent
            self.drop()
            self.process.kill()
            self.process.wait()
            self.process = None

    @property
    def address(self) -> SshAddress:
        return SshAddress(
            host="127.0.0.1", port=self.port, user=os.environ.get("USER", "root"),
            key_file=str(self.folder / "mine"), connect_timeout_s=5,
        )  # fmt: skip


@dataclass
class Adbd:
    """The pretended daemon, and an `adb` server of the tests' own."""

    folder: Path
    port: int = 0
    process: subprocess.Popen[bytes] | None = None

    def start(self) -> None:
        self.process = subprocess.Popen(
            [sys.executable, str(HERE / "adbd.py"), str(self.port), str(self.folder)],
            stdout=subprocess.PIPE,
            start_new_session=True,
        )
        assert self.process.stdout is not None
        self.port = int(self.process.stdout.readline())

    def drop(self) -> None:
        """Ends the connection of `adb`, and with it every stream."""
        self.stop()
        self.start()

    def stop(self) -> None:
        if self.process is not None:
            self.process.kill()
            self.process.wait()
            self.process.stdout.close()
            self.process = None

    @property
    def address(self) -> AdbAddress:
        return AdbAddress(serial=f"127.0.0.1:{self.port}", connect_timeout_s=10)


@pytest.fixture
def sshd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Sshd]:
    if not Path("/usr/sbin/sshd").exists():
        pytest.skip("no /usr/sbin/sshd; apt-get install openssh-server")
    server = Sshd(tmp_path_factory.mktemp("sshd"))
    for name in ("host", "mine"):
        server.new_key(name)
    server.start()
    yield server
    server.stop()


@pytest.fixture(scope="session")
def adb_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, str]]:
    """The environment of an `adb` whose server is not the user's own."""
    if shutil.which("adb") is None:
        pytest.skip("no adb on the PATH; apt-get install adb")
    home = tmp_path_factory.mktemp("adb")
    own = {"ANDROID_ADB_SERVER_PORT": str(free_port()), "HOME": str(home), "ADB_MDNS": "0"}
    yield own
    subprocess.run(["adb", "kill-server"], env={**os.environ, **own}, check=False)


@pytest.fixture
def adbd(
    adb_server: dict[str, str], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[Adbd]:
    for name, value in adb_server.items():
        monkeypatch.setenv(name, value)
    daemon = Adbd(tmp_path)
    daemon.start()
    yield daemon
    daemon.stop()


@dataclass
class Device:
    """A device of either kind, and the folder of our own in the one that its profile names."""

    server: Sshd | Adbd
    root: Path

    def write_profile(self, name: str = "board") -> None:
        """Makes it a device of the user's, as `edgesmith devices add` does."""
        document = {**self.profile.model_dump(mode="json", exclude_defaults=True), "name": name}
        own_folder().mkdir(parents=True, exist_ok=True)
        (own_folder() / f"{name}.yaml").write_text(json.dumps(document))

    @property
    def profile(self) -> DeviceProfile:
        kind = "ssh" if isinstance(self.server, Sshd) else "adb"
        facts = {
            "folder": str(self.root.parent),
            "python": sys.executable,
            kind: self.server.address,
        }
        return DeviceProfile(name="board", link=kind, runtimes=("tflite", "onnxruntime"), **facts)

    def link(self) -> Link:
        return link_to(self.profile)

    def wait_for_agent(self) -> None:
        """Until a model is measured there."""
        deadline = time.monotonic() + 60
        while not any(self.root.glob("s-*/running")) or not any(self.root.glob("s-*/*/model.*")):
            assert time.monotonic() < deadline
            time.sleep(0.05)
        time.sleep(3)

    def left(self) -> list[str]:
        """What there is below the root, once keepers had the time to clean up."""
        deadline = time.monotonic() + 10
        while (found := self._there()) and time.monotonic() < deadline:
            time.sleep(0.05)
        return found

    def _there(self) -> list[str]:
        """What there is at the moment: a keeper may remove it meanwhile."""
        while True:
            with contextlib.suppress(FileNotFoundError):
                return sorted(str(path) for path in self.root.rglob("*"))


@pytest.fixture(params=KINDS)
def device(
    request: pytest.FixtureRequest, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Device:
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    monkeypatch.setenv("XDG_STATE_HOME", str(tmp_path / "state"))
    server = request.getfixturevalue("sshd" if request.param == "ssh" else "adbd")
    return Device(server, tmp_path / "there" / "edgesmith")


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        return int(listening.getsockname()[1])


def wait_for(port: int) -> None:
    deadline = time.monotonic() + 20
    while time.monotonic() < deadline:
        try:
            socket.create_connection(("127.0.0.1", port), 1).close()
        except OSError:
            time.sleep(0.05)
        else:
            return
    raise AssertionError(f"nothing listens on {port}")


def children(pid: int) -> list[int]:
    """All descendants that still have this process as an ancestor."""
    try:
        direct = Path(f"/proc/{pid}/task/{pid}/children").read_text().split()
    except (FileNotFoundError, ProcessLookupError):
        return []
    return [*map(int, direct), *(below for each in direct for below in children(int(each)))]


def kill(pid: int) -> None:
    with contextlib.suppress(ProcessLookupError):
        os.kill(pid, 9)


@pytest.hookimpl(wrapper=True)
def pytest_runtest_makereport(item, call):
    report = yield
    if report.skipped and os.environ.get("CI") and not hasattr(report, "wasxfail"):
        report.outcome = "failed"
        report.longrepr = f"{item.nodeid} was skipped, which CI does not allow: {report.longrepr}"
    return report
