"""SSH servers that must not be trusted, or let nobody in, or are not there."""

import socket
import threading
from pathlib import Path

import asyncssh
import pytest

from targets.address import SshAddress
from targets.errors import DeviceUnreachable, EnvironmentFault, UsageError
from targets.link import ssh
from targets.link.pins import Pins
from targets.link.ssh import SshShell


@pytest.fixture
def pins(tmp_path: Path) -> Pins:
    return Pins(tmp_path / "edgesmith" / "known_hosts")


def says(shell: SshShell) -> bytes:
    done = shell.execute("echo here", stdin=b"", timeout_s=20, most_bytes=100)
    shell.close()
    return done.stdout


def test_a_host_key_is_pinned_at_first_and_another_is_refused(sshd, pins: Pins) -> None:
    assert says(SshShell(sshd.address, pins)) == b"here\n"
    assert pins.of(sshd.address.label) == [(sshd.folder / "host.pub").read_text().rsplit(" ", 1)[0]]
    assert says(SshShell(sshd.address, pins)) == b"here\n"
    assert len(pins.file.read_text().splitlines()) == 1
    sshd.stop()
    sshd.new_key("host")
    sshd.start()
    with pytest.raises(
        DeviceUnreachable, match=r"host key SHA256:.* not the one .* remove the line"
    ):
        SshShell(sshd.address, pins)
    assert len(pins.file.read_text().splitlines()) == 1


def test_a_key_that_is_not_let_in_pins_nothing(sshd, pins: Pins) -> None:
    sshd.new_key("other")
    address = sshd.address.model_copy(update={"key_file": str(sshd.folder / "other")})
    with pytest.raises(DeviceUnreachable, match=r"not in with the key .*ssh-copy-id"):
        SshShell(address, pins)
    assert not pins.file.exists()


def test_a_server_that_is_not_there_is_told(sshd, pins: Pins) -> None:
    sshd.stop()
    with pytest.raises(DeviceUnreachable, match=r"can't be reached by SSH: .*; is it on"):
        SshShell(sshd.address, pins)


@pytest.mark.parametrize(
    ("error", "attempts", "told"),
    [
        (asyncssh.KeyExchangeFailed("no matching cipher"), 1, "no matching cipher; is it an SSH"),
        (asyncssh.ProtocolError("odd"), 1, "opens no SSH connection: odd"),
        (asyncssh.ServiceNotAvailable("not now"), 1, "opens no SSH connection: not now"),
        (asyncssh.ConnectionLost("gone"), 3, "can't be reached by SSH: gone"),
    ],
)
def test_a_handshake_that_fails_is_told(
    pins: Pins, monkeypatch: pytest.MonkeyPatch, error: Exception, attempts: int, told: str
) -> None:
    tried: list[str] = []

    async def refuse(host: str, *_: object, **__: object) -> None:
        tried.append(host)
        raise error

    monkeypatch.setattr(asyncssh, "connect", refuse)
    monkeypatch.setattr(ssh, "_PAUSE_S", 0.0)
    with pytest.raises(DeviceUnreachable, match=f"^board .*{told}"):
        SshShell(SshAddress(host="board"), pins)
    assert tried == ["board"] * attempts


def test_what_is_no_ssh_server_of_today_is_told(pins: Pins) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listening:
        port = listening.getsockname()[1]

        def answer() -> None:
            with listening.accept()[0] as connection:
                connection.sendall(b"SSH-1.5-old\r\n")
                connection.recv(100)

        thread = threading.Thread(target=answer)
        thread.start()
        with pytest.raises(DeviceUnreachable, match=r"opens no SSH connection: .*version"):
            SshShell(SshAddress(host="127.0.0.1", port=port), pins)
        thread.join()


def test_a_jump_host_is_gone_through_and_pinned(sshd, pins: Pins) -> None:
    through = f"{sshd.address.user}@127.0.0.1:{sshd.port}"
    address = sshd.address.model_copy(update={"jump": through, "host": "localhost"})
    assert says(SshShell(address, pins)) == b"here\n"
    labels = {line.split()[0] for line in pins.file.read_text().splitlines()}
    assert labels == {f"[127.0.0.1]:{sshd.port}", f"[localhost]:{sshd.port}"}


def test_a_command_that_ends_before_it_is_written_to_is_heard(
    sshd, pins: Pins, monkeypatch: pytest.MonkeyPatch
) -> None:
    started = SshShell._started

    async def ended(self: SshShell, script: str) -> object:
        process = await started(self, script)
        await process.channel.wait_closed()
        return process

    shell = SshShell(sshd.address, pins)
    monkeypatch.setattr(SshShell, "_started", ended)
    done = shell.execute("echo here; exit 3", stdin=b"asked", timeout_s=20, most_bytes=100)
    shell.close()
    assert (done.code, done.stdout) == (3, b"here\n")


def test_a_file_of_pins_that_can_not_be_read_is_told(pins: Pins) -> None:
    pins.file.mkdir(parents=True)
    with pytest.raises(EnvironmentFault, match="can't be read"):
        pins.of("board")


def test_a_damaged_line_of_the_pins_is_told_with_its_file(pins: Pins) -> None:
    pins.add("board", "ssh-ed25519 AAAAdamaged")
    with pytest.raises(UsageError, match=r"known_hosts: a line of 'board' holds no host key: "):
        SshShell(SshAddress(host="board"), pins)


@pytest.mark.parametrize(
    ("text", "host", "port", "user"),
    [
        ("pi@board", "board", 22, "pi"),
        ("board:2222", "board", 2222, None),
        ("me@[fe80::1%eth0]:22", "fe80::1%eth0", 22, "me"),
    ],
)
def test_addresses_as_people_write_them(text: str, host: str, port: int, user: str | None) -> None:
    found = SshAddress.stated(text)
    assert (found.host, found.port, found.user) == (host, port, user)


@pytest.mark.parametrize("text", ["", "a b", "-oProxyCommand=x", "$(id)@h", "h:99999", "h:x", "@h"])
def test_what_is_no_address_is_refused(text: str) -> None:
    with pytest.raises(UsageError, match="no SSH address"):
        SshAddress.stated(text)
