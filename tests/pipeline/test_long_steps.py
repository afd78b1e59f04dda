"""Steps that can be put down half done: what they left is there when they are taken up again."""

import pytest

from pipeline.workspace import Workspace


def never(folder, begun):
    raise AssertionError("the step was to be reused")


def test_a_long_step_goes_on_with_what_it_left(tmp_path):
    def cut_off(folder, begun):
        assert not begun.exists()
        begun.mkdir(parents=True)
        (begun / "half").write_text("half")
        raise KeyboardInterrupt

    def go_on(folder, begun):
        (folder / "file").write_text((begun / "half").read_text() + " and half")

    with Workspace.open(tmp_path, "digits") as space, pytest.raises(KeyboardInterrupt):
        space.long_step("recover", 1, cut_off)
    with Workspace.open(tmp_path, "digits") as space:
        folder = space.long_step("recover", 1, go_on)
        assert space.made == [folder.name]
        assert list((tmp_path / "begun").iterdir()) == []
    assert (folder / "file").read_text() == "half and half"


def test_another_long_step_finds_nothing(tmp_path):
    def cut_off(folder, begun):
        begun.mkdir(parents=True)
        raise KeyboardInterrupt

    def anew(folder, begun):
        assert not begun.exists()
        (folder / "file").touch()

    with Workspace.open(tmp_path, "digits") as space:
        with pytest.raises(KeyboardInterrupt):
            space.long_step("recover", 1, cut_off)
        space.long_step("recover", 2, anew)


def test_what_a_kill_left_beside_a_finished_step_goes(tmp_path):
    with Workspace.open(tmp_path, "digits") as space:
        folder = space.long_step("recover", 1, lambda folder, begun: (folder / "x").touch())
        (tmp_path / "begun" / folder.name).mkdir(parents=True)
        assert space.long_step("recover", 1, never) == folder
        assert list((tmp_path / "begun").iterdir()) == []
