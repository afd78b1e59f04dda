"""A link to another machine: the same over a real SSH server and over the real `adb`."""

import gc
import os
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import pytest

from targets.errors import DeviceUnreachable, EnvironmentFault, UsageError
from targets.link import remote, scripts
from targets.link.connect import forget
from targets.link.contract import Completed
from targets.link.remote import Remote


def run(link: Remote, program: str, timeout_s: float = 30.0, stdin: bytes = b"") -> Completed:
    command = (sys.executable, "-c", program)
    return link.run(command, stdin=stdin, environment={"GIVEN": "1 '$x"}, timeout_s=timeout_s)


def alive(mark: Path) -> bool:
    """Whether the process that wrote its number there still runs."""
    try:
        state = Path(f"/proc/{mark.read_text()}/stat").read_text()
    except (FileNotFoundError, ProcessLookupError):
        return False
    return state.rpartition(")")[2].split()[0] != "Z"


def sleeping(mark: Path) -> str:
    return f"import os, time; open({str(mark)!r}, 'w').write(str(os.getpid())); time.sleep(600)"


def wait_for(path: Path) -> None:
    deadline = time.monotonic() + 30
    while not (path.exists() and path.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.05)


def ends(mark: Path) -> bool:
    deadline = time.monotonic() + 15
    while alive(mark) and time.monotonic() < deadline:
        time.sleep(0.05)
    return not alive(mark)


def test_bytes_go_there_and_back(device, tmp_path: Path) -> None:
    link = device.link()
    content = bytes(range(256)) * 5_000
    (tmp_path / "a").write_bytes(content)
    there = link.push(tmp_path / "a", "deep/er/a")
    assert Path(there).read_bytes() == content
    assert Path(there).stat().st_mode & 0o77 == 0
    link.pull(there, tmp_path / "b")
    assert (tmp_path / "b").read_bytes() == content
    with pytest.raises(DeviceUnreachable, match="No such file"):
        link.pull(f"{link.folder}/none", tmp_path / "c")
    with pytest.raises(UsageError, match="can't be a path on a device"):
        link.push(tmp_path / "a", "a b; reboot")


def test_a_command_gets_what_it_is_given(device) -> None:
    link = device.link()
    done = run(
        link,
        "import os, sys; print(os.environ['GIVEN'], os.getcwd()); print(sys.stdin.read());"
        "sys.stderr.write('chatter'); sys.exit(3)",
        stdin=b"asked",
    )
    assert done.stdout.decode().splitlines() == [f"1 '$x {link.folder}", "asked"]
    assert (done.code, done.stderr) == (3, b"chatter")
    assert run(link, "import os; os.kill(os.getpid(), 6)").code == -6
    with pytest.raises(EnvironmentFault, match="key 'python'"):
        link.run(("/no/python",), stdin=b"", environment={}, timeout_s=30)


def test_after_the_timeout_nothing_runs(device, tmp_path: Path) -> None:
    link = device.link()
    with pytest.raises(TimeoutError, match="no answer in 4 s"):
        run(link, sleeping(tmp_path / "mark"), timeout_s=4)
    assert ends(tmp_path / "mark")
    assert run(link, "print(1)").stdout == b"1\n"


def test_an_endless_answer_is_refused(device, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(remote, "MOST_ANSWER_BYTES", 100_000)
    link = device.link()
    with pytest.raises(DeviceUnreachable, match=r"more than 0\.1 MB"):
        run(link, "while True: print('x' * 9999)")
    assert not list(Path(link.folder).glob("running"))


def test_the_end_leaves_only_what_is_kept(device, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    (tmp_path / "inputs").write_bytes(b"once")
    link = device.link()
    link.place(tmp_path / "model", "m/model.tflite")
    link.push(tmp_path / "inputs", "inputs")
    folder = Path(link.folder)
    del link
    gc.collect()
    assert not folder.exists()
    (kept,) = [path for path in device.root.rglob("*") if path.is_file()]
    assert kept.read_bytes() == b"weights"


def test_what_was_kept_is_not_sent_again(
    device, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    device.link().place(tmp_path / "model", "model.tflite")
    gc.collect()
    monkeypatch.setattr(scripts, "upload", None)
    link = device.link()
    assert Path(link.place(tmp_path / "model", "model.tflite")).read_bytes() == b"weights"


def test_a_damaged_file_that_was_kept_is_sent_again(device, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    device.link().place(tmp_path / "model", "model.tflite")
    gc.collect()
    (kept,) = [path for path in device.root.rglob("*") if path.is_file()]
    kept.write_bytes(b"rubbish")
    link = device.link()
    assert Path(link.place(tmp_path / "model", "model.tflite")).read_bytes() == b"weights"


def test_a_link_that_breaks_is_made_again(device, tmp_path: Path) -> None:
    (tmp_path / "model").write_bytes(b"weights")
    link = device.link()
    there = link.place(tmp_path / "model", "model.tflite")
    device.server.drop()
    assert run(link, f"print(open({there!r}).read())").stdout == b"weights\n"


def test_a_device_that_goes_leaves_nothing_behind(device, tmp_path: Path) -> None:
    link = device.link()
    (tmp_path / "model").write_bytes(b"weights")
    link.place(tmp_path / "model", "model.tflite")
    mark = tmp_path / "mark"

    def unplug() -> None:
        wait_for(mark)
        device.server.stop()

    threading.Thread(target=unplug).start()
    with pytest.raises(DeviceUnreachable, match="can't be reached by"):
        run(link, sleeping(mark), timeout_s=60)
    assert ends(mark)
    assert device.left() == []


def test_a_killed_program_leaves_nothing_behind(device, tmp_path: Path) -> None:
    mark = tmp_path / "mark"
    program = (
        "import sys; from targets.device import DeviceProfile;"
        "from targets.link.connect import link_to;"
        "link = link_to(DeviceProfile.model_validate_json(sys.argv[1]));"
        "link.run((sys.executable, '-c', sys.argv[2]), stdin=b'', environment={}, timeout_s=600)"
    )
    asking = subprocess.Popen(
        [sys.executable, "-c", program, device.profile.model_dump_json(), sleeping(mark)],
        env={**os.environ, "PYTHONPATH": str(Path(remote.__file__).parents[2])},
    )
    wait_for(mark)
    asking.send_signal(signal.SIGKILL)
    asking.wait()
    assert ends(mark)
    assert device.left() == []


def test_a_session_whose_keeper_was_killed_is_swept_at_the_next(device, tmp_path: Path) -> None:
    stale = device.root / "s-00000000-1-2-000003"
    stale.mkdir(parents=True)
    (stale / "keeper").write_text(f"{os.getpid()}\n")  # the number is another's by now
    (stale / "running").write_text(f"{os.getpid()}\n")
    assert Path(device.link().folder).parent == device.root
    assert not stale.exists()


def test_what_is_not_ours_in_the_folder_of_a_profile_stays(device, tmp_path: Path) -> None:
    theirs = [
        device.root.parent / "s-00000000-1-2-000003" / "photos",
        device.root.parent / "kept" / "photos",
        device.root.parent / "site" / "photos",
        device.root / "s-bahn" / "photos",
    ]
    for one in theirs:
        one.mkdir(parents=True)
    link = device.link()
    assert run(link, "print(1)").stdout == b"1\n"
    device.server.drop()
    assert run(link, "print(1)").stdout == b"1\n"
    del link
    gc.collect()
    forget(device.profile)
    assert all(one.exists() for one in theirs)


def test_a_folder_that_may_not_be_made_is_told(device, tmp_path: Path) -> None:
    (tmp_path / "there").write_text("a file")
    with pytest.raises(EnvironmentFault, match="key 'folder'"):
        device.link().push(tmp_path / "there", "a")


def test_a_full_disk_is_told_with_what_is_free(device, tmp_path: Path) -> None:
    device.root.mkdir(parents=True)
    mounted = subprocess.run(
        ["mount", "-t", "tmpfs", "-o", "size=512k", "none", str(device.root)],
        capture_output=True,
        check=False,
    )
    if mounted.returncode != 0:
        pytest.skip("no right to mount a small tmpfs")
    try:
        (tmp_path / "model").write_bytes(bytes(700_000))
        link = device.link()
        with pytest.raises(EnvironmentFault, match=r"can't take 0\.7 MB .* full \(\d\.\d MB free"):
            link.place(tmp_path / "model", "model.tflite")
        del link
        gc.collect()
        assert device.left() == []
    finally:
        subprocess.run(["umount", "-l", str(device.root)], check=True)
