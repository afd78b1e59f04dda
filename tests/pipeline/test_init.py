"""The recipe folder that init writes: commented, valid, and a task that works as it is."""

import errno
import re
from pathlib import Path

import pytest
import torch
import yaml

from pipeline import init as initialising
from pipeline.init import TEMPLATE, init
from pipeline.recipe import Recipe, read
from pipeline.recipe_recover import Distill, Recover
from pipeline.recipe_source import ALTERNATIVES
from pipeline.recipe_steps import Prune, Quantize, Schedule
from pipeline.task import load_for
from targets.errors import EnvironmentFault, FolderInUse


def test_what_init_writes_is_a_recipe_with_a_task_that_learns(tmp_path):
    folder = tmp_path / "deep" / "mine"
    assert init(folder) == (folder / "recipe.yaml", folder / "task.py")
    loaded = read(folder)
    task = load_for(loaded)
    assert loaded.name == "mine"
    model = task.build()
    with torch.no_grad():
        pairs = [
            (model(*inputs).argmax(1), target) for inputs, target in task.batches("validation")
        ]
    right = sum(int((found == target).sum()) for found, target in pairs)
    total = sum(len(target) for _, target in pairs)
    assert total == 500
    assert right / total > 0.9  # a net that learned nothing gets 0.1


def test_the_task_is_the_same_every_time(tmp_path):
    identities = []
    for name in ("one", "two"):
        init(tmp_path / name)
        loaded = read(tmp_path / name, ["params.epochs=1"])
        identities.append(load_for(loaded).identity())
    assert identities[0] == identities[1]


def test_the_template_is_package_data():
    assert {path.name for path in TEMPLATE.iterdir()} >= set(initialising.FILES)
    settings = Path(__file__).parents[2] / "pyproject.toml"
    assert '"template/*.py"' in settings.read_text()
    assert '"**/*.yaml"' in settings.read_text()


def test_the_template_names_every_key():
    text = (TEMPLATE / "recipe.yaml").read_text()
    for model in (Recipe, Prune, Schedule, Recover, Distill, Quantize):
        for key in model.model_fields:
            assert re.search(rf"\b{key}:", text), key


def test_the_lines_that_are_commented_out_are_valid_too(tmp_path):
    init(tmp_path / "x")
    file = tmp_path / "x" / "recipe.yaml"
    for line in re.findall(r"# (\w+: [\w.]+) {2,}", file.read_text()):
        key, value = next(iter(yaml.safe_load(line).items()))
        place = dict.fromkeys(ALTERNATIVES["prune"], "steps.0.prune")
        place |= dict.fromkeys(ALTERNATIVES["recover"], "steps.1.recover")
        section = "budget.metric" if key == "max_class_drop" else place.get(key, "budget")
        assert read(tmp_path / "x", [f"{section}.{key}={value}"])


def test_an_empty_folder_is_filled(tmp_path):
    assert init(tmp_path)[0].is_file()


def test_a_folder_with_files_is_left_alone(tmp_path):
    (tmp_path / "task.py").write_text("mine")
    with pytest.raises(FolderInUse, match=r"not empty, it holds task\.py; nothing was written"):
        init(tmp_path)
    assert [path.read_text() for path in tmp_path.iterdir()] == ["mine"]


def test_a_second_init_does_not_overwrite(tmp_path):
    init(tmp_path / "x")
    with pytest.raises(FolderInUse, match="choose a new or empty folder"):
        init(tmp_path / "x")


def test_a_file_is_no_folder(tmp_path):
    (tmp_path / "x").write_text("")
    with pytest.raises(FolderInUse, match="x: a file, not a folder"):
        init(tmp_path / "x")


def test_a_folder_that_can_not_be_made(tmp_path, monkeypatch):
    def refuse(*arguments, **settings):
        raise OSError(errno.EROFS, "Read-only file system", str(tmp_path / "x"))

    monkeypatch.setattr(Path, "mkdir", refuse)
    with pytest.raises(EnvironmentFault, match="x: the file system is read-only: choose another"):
        init(tmp_path / "x")
