"""The run folder: content keys, atomic steps, the lock, and kills at any moment."""

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from pipeline import disk, tools
from pipeline.disk import atomic_write
from pipeline.workspace import Workspace
from targets.errors import EnvironmentFault, FolderInUse


def filled(content):
    def work(folder):
        (folder / "file").write_text(content)

    return work


def never(folder):
    raise AssertionError("the step was to be reused")


def contents(folder):
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file() and path.name != ".lock"
    }


def test_a_step_is_made_once_for_the_same_inputs(tmp_path):
    with Workspace.open(tmp_path / "run", "digits") as space:
        first = space.step("prune", {"a": 1, "b": 2}, filled("x"))
        again = space.step("prune", {"b": 2, "a": 1}, never)
        other = space.step("prune", {"a": 1, "b": 3}, filled("y"))
        assert (first == again, space.made, space.reused) == (
            True,
            [first.name, other.name],
            [first.name],
        )
    with Workspace.open(tmp_path / "run", "digits") as space:
        assert space.step("prune", {"a": 1, "b": 2}, never) == first
        assert (space.made, space.reused) == ([], [first.name])
    assert (first / "file").read_text() == "x"
    assert first.parent == tmp_path / "run" / "steps"
    assert first.name.startswith("prune-")


def test_the_key_does_not_depend_on_the_folder(tmp_path):
    names = []
    for place in ("one", "two"):
        with Workspace.open(tmp_path / place, "digits") as space:
            names.append(space.step("prune", {"a": 1}, filled("x")).name)
    assert names[0] == names[1]


def test_another_tool_version_makes_the_step_again(tmp_path, monkeypatch):
    with Workspace.open(tmp_path, "digits") as space:
        first = space.step("prune", 1, filled("x"))
        newer = {**tools.versions(), "torch": "99"}
        monkeypatch.setattr(tools, "versions", lambda: newer)
        assert space.step("prune", 1, filled("y")) != first


@pytest.mark.parametrize("damage", ["flip", "truncate", "remove", "add", "seal", "no seal"])
def test_a_damaged_step_is_made_again(tmp_path, damage):
    with Workspace.open(tmp_path, "digits") as space:
        folder = space.step("prune", 1, filled("content"))
        file, seal = folder / "file", folder / ".step.json"
        {
            "flip": lambda: file.write_text("Content"),
            "truncate": lambda: file.write_text(""),
            "remove": file.unlink,
            "add": lambda: (folder / "more").write_text(""),
            "seal": lambda: seal.write_text("[]"),
            "no seal": seal.unlink,
        }[damage]()
        assert space.step("prune", 1, filled("content")) == folder
        assert contents(folder).keys() == {"file", ".step.json"}
        assert file.read_text() == "content"
        assert space.reused == []
        assert not list(tmp_path.rglob(".tmp-*"))


def test_a_failing_step_leaves_nothing_and_its_error_goes_on(tmp_path):
    def work(folder):
        (folder / "half").write_text("")
        raise ValueError("mine")

    with Workspace.open(tmp_path, "digits") as space:
        with pytest.raises(ValueError, match="mine"):
            space.step("prune", 1, work)
        assert list((tmp_path / "steps").iterdir()) == []


def test_a_second_run_in_the_folder_is_refused_with_the_process(tmp_path):
    held = Workspace.open(tmp_path, "digits")
    refused = rf"{tmp_path}: in use by the process {os.getpid()}; wait until it ends, or choose"
    with held, pytest.raises(FolderInUse, match=refused), Workspace.open(tmp_path, "digits"):
        pass
    with Workspace.open(tmp_path, "digits"):
        pass


def test_a_run_of_another_recipe_is_refused(tmp_path):
    with Workspace.open(tmp_path, "digits"):
        pass
    refused = "holds a run of recipe 'digits', not of 'faces'; choose another folder with --out"
    with pytest.raises(FolderInUse, match=refused), Workspace.open(tmp_path, "faces"):
        pass


@pytest.mark.parametrize("content", ["", "{", "[]", "{}", '"digits"'])
def test_a_run_file_that_is_none_is_refused(tmp_path, content):
    (tmp_path / "run.json").write_text(content)
    with (
        pytest.raises(FolderInUse, match="can't be read as a run's"),
        Workspace.open(tmp_path, "d"),
    ):
        pass


def test_a_folder_of_other_files_is_refused_and_left_alone(tmp_path):
    (tmp_path / "thesis.tex").write_text("")
    refused = r"holds files that are no run, such as thesis\.tex"
    with pytest.raises(FolderInUse, match=refused), Workspace.open(tmp_path, "digits"):
        pass
    assert [path.name for path in tmp_path.iterdir()] == ["thesis.tex"]


def test_a_file_is_no_run_folder(tmp_path):
    (tmp_path / "file").write_text("")
    refused = "a file, not a folder"
    with pytest.raises(FolderInUse, match=refused), Workspace.open(tmp_path / "file", "digits"):
        pass


@pytest.mark.parametrize("left", [[], [".lock"], [".lock", "steps"], [".lock", ".tmp-abc"]])
def test_a_folder_that_a_killed_start_left_is_taken(tmp_path, left):
    for name in left:
        (tmp_path / name).mkdir() if name == "steps" else (tmp_path / name).write_text("")
    with Workspace.open(tmp_path, "digits"):
        assert not (tmp_path / ".tmp-abc").exists()


def test_leftovers_of_a_killed_run_are_removed(tmp_path):
    with Workspace.open(tmp_path, "digits") as space:
        folder = space.step("prune", 1, filled("x"))
    (tmp_path / "steps" / ".tmp-dead").mkdir()
    (tmp_path / "steps" / ".tmp-dead" / "file").write_text("")
    (tmp_path / "report").mkdir()
    (tmp_path / "report" / ".tmp-dead").write_text("")
    with Workspace.open(tmp_path, "digits"):
        assert not list(tmp_path.rglob(".tmp-*"))
        assert folder.exists()


def full(folder):
    Path("/dev/full").write_text("x")


def full_in_native_code(folder):
    raise RuntimeError("I/O error: No space left on device (os error 28)")


def full_below_another_error(folder):
    try:
        full(folder)
    except OSError as error:
        raise ValueError("can't export") from error


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="Linux only")
@pytest.mark.parametrize("work", [full, full_in_native_code, full_below_another_error])
def test_a_full_disk_is_the_environments_fault(tmp_path, work):
    refused = "the disk or its quota is full: free some space and run the same command again"
    with Workspace.open(tmp_path, "digits") as space:
        with pytest.raises(EnvironmentFault, match=refused) as caught:
            space.step("prune", 1, work)
        assert str(tmp_path) in str(caught.value) or "/dev/full" in str(caught.value)
        assert list((tmp_path / "steps").iterdir()) == []


def test_a_full_disk_leaves_the_old_file(tmp_path, monkeypatch):
    def refuse(handle):
        raise OSError(errno.ENOSPC, "No space left on device")

    atomic_write(tmp_path / "file", "old")
    monkeypatch.setattr(disk.os, "fsync", refuse)
    with pytest.raises(EnvironmentFault, match=r"file: the disk or its quota is full"):
        atomic_write(tmp_path / "file", "new")
    assert contents(tmp_path) == {"file": b"old"}


def test_no_permission_is_the_environments_fault(tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise PermissionError(errno.EACCES, "Permission denied", str(tmp_path / "run"))

    monkeypatch.setattr(Path, "mkdir", refuse)
    refused = "run: permission denied: choose another folder or change its permissions"
    with pytest.raises(EnvironmentFault, match=refused), Workspace.open(tmp_path / "run", "digits"):
        pass


@pytest.mark.parametrize("place", ["file/run", "/proc/run"])
def test_a_place_where_no_folder_can_be_is_the_environments_fault(tmp_path, place):
    (tmp_path / "file").write_text("")
    folder = tmp_path / place
    refused = "steps: can't be made: .*; choose another folder"
    with pytest.raises(EnvironmentFault, match=refused), Workspace.open(folder, "digits"):
        pass


def test_written_files_are_readable_by_others(tmp_path):
    atomic_write(tmp_path / "file", "x")
    assert (tmp_path / "file").stat().st_mode & 0o777 == 0o644


RUN = """
import sys, time
from pathlib import Path
from pipeline.workspace import Workspace

def work(folder):
    for number in range(4):
        (folder / f"file{number}").write_text(f"{folder.parent.name} {number}" * 1000)
        time.sleep(0.004)

with Workspace.open(Path(sys.argv[1]), "digits") as space:
    parent = ""
    for number in range(8):
        parent = space.step(f"step{number}", {"parent": parent}, work).name
    print(" ".join(space.reused))
"""


def start(folder):
    command = [sys.executable, "-c", RUN, str(folder)]
    return subprocess.Popen(command, stdout=subprocess.PIPE, text=True)


def finished(folder):
    return {path.name for path in (folder / "steps").glob("step*")}


def test_a_kill_at_any_moment_loses_at_most_the_step_in_progress(tmp_path):
    began = time.monotonic()
    whole = start(tmp_path / "whole")
    assert whole.communicate()[0] == "\n"
    duration = time.monotonic() - began
    moments = random.Random(0)
    killed = tmp_path / "killed"
    for _ in range(12):
        run = start(killed)
        before = finished(killed)
        time.sleep(moments.uniform(0, duration))
        run.send_signal(signal.SIGKILL)
        run.communicate()
        assert before <= finished(killed)
        for name in finished(killed):
            assert contents(killed / "steps" / name) == contents(tmp_path / "whole/steps" / name)
    before = finished(killed)
    last = start(killed)
    assert set(last.communicate()[0].split()) == before
    assert last.returncode == 0
    assert contents(killed) == contents(tmp_path / "whole")


def test_what_a_step_was_made_of_is_kept_beside_it(tmp_path):
    with Workspace.open(tmp_path, "digits") as space:
        folder = space.step("prune", {"a": 1}, filled("x"))
    kept = json.loads((folder / ".step.json").read_text())
    assert (kept["step"], kept["inputs"]) == ("prune", {"a": 1})
    assert kept["tools"] == dict(tools.versions())
    assert {"python", "machine", "edgesmith", "torch", "openvino"} <= kept["tools"].keys()


def test_an_error_that_is_its_own_cause_is_passed_on(tmp_path):
    error = ValueError("again and again")
    with pytest.raises(ValueError, match="again"), disk.environment_faults(tmp_path):
        raise error from error
