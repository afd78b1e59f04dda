"""Who opened a session: only what is known to be a dead process of this machine is an orphan."""

import re
import subprocess
import sys

import pytest

from targets.link import session_name
from targets.link.session_name import FORM, is_orphaned, new_name


def name_of_a_dead_process() -> str:
    program = "from targets.link.session_name import new_name; print(new_name())"
    done = subprocess.run(
        [sys.executable, "-c", program], capture_output=True, text=True, check=True
    )
    return done.stdout.strip()


def test_a_name_has_its_form_and_its_owner_lives() -> None:
    assert re.fullmatch(FORM, new_name())
    assert new_name() != new_name()
    assert not is_orphaned(new_name())


def test_a_dead_process_of_this_machine_leaves_an_orphan() -> None:
    assert is_orphaned(name_of_a_dead_process())


@pytest.mark.parametrize("fact", ["_machine", "_namespace"])
def test_a_machine_of_the_same_name_is_another(fact: str, monkeypatch: pytest.MonkeyPatch) -> None:
    dead = name_of_a_dead_process()
    monkeypatch.setattr(session_name, fact, lambda: "another")
    assert not is_orphaned(dead)


def test_what_a_system_does_not_tell_is_left_out(monkeypatch: pytest.MonkeyPatch) -> None:
    def nothing(*_: object, **__: object) -> str:
        raise OSError("not here")

    monkeypatch.setattr(session_name.Path, "readlink", nothing)
    monkeypatch.setattr(session_name.Path, "read_text", nothing)
    assert re.fullmatch(FORM, new_name())


@pytest.mark.parametrize("name", ["s-1-2-3-4", "s-a-b-c-d", "kept", "s-00000000-1-2-000003x"])
def test_what_is_no_name_of_a_session_is_no_orphan(name: str) -> None:
    assert not is_orphaned(name)
