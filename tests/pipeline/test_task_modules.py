"""A recipe's modules: siblings found as for a script, and nothing left in the user's Python."""

import sys

import pytest

from pipeline.task_modules import PREFIX, import_file, recording


@pytest.fixture
def recipe(tmp_path):
    """Writes files into a folder of their own and imports its task.py."""

    def write_and_import(name="recipe", **files):
        folder = tmp_path / name
        folder.mkdir(exist_ok=True)
        for path, content in files.items():
            file = folder / f"{path.replace('__', '/')}.py"
            file.parent.mkdir(exist_ok=True)
            file.write_text(content)
        return import_file(folder / "task.py")

    return write_and_import


NET = "class Net:\n    size = 3\n"
IMPORTS = {
    "plain": ("import net\nfound = net.Net", {"net": NET}),
    "from": ("from net import Net as found", {"net": NET}),
    "as": ("import net as n\nfound = n.Net", {"net": NET}),
    "relative": ("from .net import Net as found", {"net": NET}),
    "relative module": ("from . import net\nfound = net.Net", {"net": NET}),
    "star": ("from net import *\nfound = Net", {"net": NET}),
    "in a folder": ("import models.net\nfound = models.net.Net", {"models__net": NET}),
    "in a folder, as": ("import models.net as n\nfound = n.Net", {"models__net": NET}),
    "from a folder": ("from models import net\nfound = net.Net", {"models__net": NET}),
    "from in a folder": ("from models.net import Net as found", {"models__net": NET}),
    "from a package": (
        "from models import Net as found",
        {"models____init": "from .net import Net", "models__net": NET},
    ),
    "late": ("def late():\n    import net\n    return net.Net\nfound = late()", {"net": NET}),
    "sibling of a sibling": (
        "from first import Net as found",
        {"first": "import net\nNet = net.Net", "net": NET},
    ),
    "before an installed one": ("import yaml\nfound = yaml.Net", {"yaml": NET}),
}


@pytest.mark.parametrize("how", IMPORTS)
def test_siblings_are_found(recipe, how, tmp_path):
    task, others = IMPORTS[how]
    others = {name.replace("____init", "____init__"): text for name, text in others.items()}
    (tmp_path / "recipe").mkdir()
    for name, text in others.items():
        head, _, tail = name.partition("__")
        file = tmp_path / "recipe" / (f"{head}/{tail}.py" if tail else f"{head}.py")
        file.parent.mkdir(exist_ok=True)
        file.write_text(text)
    assert recipe(task=task).found.size == 3


def test_nothing_is_left_in_the_users_python(recipe, tmp_path):
    before, paths = set(sys.modules), list(sys.path)
    recipe(task="import edgesmith_test_sibling", edgesmith_test_sibling=NET)
    assert sys.path == paths
    assert all(name.startswith(PREFIX) for name in set(sys.modules) - before)
    assert not list(tmp_path.rglob("__pycache__"))


def test_two_recipes_have_their_own_siblings(recipe):
    one = recipe("one", task="import net", net="size = 1")
    two = recipe("two", task="import net", net="size = 2")
    assert (one.net.size, two.net.size) == (1, 2)


def test_loading_again_runs_what_is_there_now(recipe):
    first = recipe(task="import net", net="size = 1")
    again = recipe(task="import net", net="size = 2")
    assert (first.net.size, again.net.size) == (1, 2)


def test_a_folder_without_init_gives_way_to_an_installed_package(recipe):
    import yaml

    assert recipe(task="import yaml as found", yaml__data="").found is yaml


def test_other_modules_are_as_ever(recipe):
    import json.decoder

    task = recipe(task="import json.decoder\nfrom os import path\nfrom json import decoder")
    assert task.json is json
    assert task.decoder is json.decoder
    with pytest.raises(ImportError, match="nothing"):
        recipe("other", task="from json import nothing")


def test_a_class_belongs_to_its_private_module(recipe):
    found = recipe(task="from net import Net", net=NET).Net
    assert found.__module__.startswith(PREFIX)
    assert found.__module__.endswith(".net")


def test_files_that_are_read_are_recorded_and_others_not(tmp_path):
    inside, outside = tmp_path / "in", tmp_path / "out"
    for folder in (inside, outside):
        folder.mkdir()
        (folder / "read").write_text("")
    (inside / "link").symlink_to(outside / "read")
    (tmp_path / "alias").symlink_to(inside)
    with recording(inside) as found:
        (inside / "written").write_text("")
        (inside / "link").read_text()
        (outside / "read").read_text()
        (tmp_path / "alias" / "read").read_text()
    (inside / "written").read_text()
    assert found == {inside / "link", inside / "read"}


def test_recordings_nest(tmp_path):
    (tmp_path / "a").write_text("")
    (tmp_path / "b").write_text("")
    with recording(tmp_path) as outer:
        with recording(tmp_path) as inner:
            (tmp_path / "a").read_text()
        (tmp_path / "b").read_text()
    assert inner == {tmp_path / "a"}
    assert outer == {tmp_path / "a", tmp_path / "b"}
