"""Recipes: what is read, where it is found, and the schema."""

import json
import math
import subprocess
import sys
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from pipeline import recipe as recipes
from pipeline.recipe import Distill, Prune, Quantize, Recover, find, read, schema
from targets.errors import RecipeError

GOOD = (Path(__file__).parent / "samples" / "recipe.yaml").read_text()


@pytest.fixture
def folder(tmp_path):
    (tmp_path / "task.py").write_text("")
    return tmp_path


def write(folder, text):
    (folder / "recipe.yaml").write_text(text)
    return folder


def refusal(folder, text, *overrides):
    with pytest.raises(RecipeError) as caught:
        read(write(folder, text), overrides)
    return str(caught.value).replace(f"{folder}/", "")


def test_a_good_recipe_is_read_whole(folder):
    loaded = read(write(folder, GOOD))
    recipe = loaded.recipe
    assert recipe.params == {"data": None}
    assert recipe.runtimes == ("tflite", "onnxruntime")
    assert [step.name for step in recipe.steps] == ["prune", "recover", "quantize"]
    assert recipe.step("recover").recover == Recover(
        epochs=4, learning_rate=1e-3, distill=Distill(temperature=4, weight=0.9)
    )
    assert recipe.step("quantize").quantize == Quantize()
    assert (loaded.file, loaded.folder) == (folder / "recipe.yaml", folder)
    assert loaded.name == folder.name


def test_a_recipe_is_read_from_its_file_too(folder):
    file = folder / "other.yaml"
    file.write_text(GOOD)
    assert read(file).file == file


def test_recipes_are_frozen(folder):
    recipe = read(write(folder, GOOD)).recipe
    with pytest.raises(ValidationError):
        recipe.device = "other"


def test_all_faults_are_told_at_once(folder):
    message = refusal(folder, GOOD.replace("hos", "hots").replace("epochs: 4", "epochs: 0"))
    assert [line.partition(": ")[0] for line in message.splitlines()] == [
        "recipe.yaml:4",
        "recipe.yaml:12",
    ]


def test_a_runtime_that_the_device_lacks_is_refused(folder, tmp_path, monkeypatch):
    own = tmp_path / "config" / "edgesmith" / "devices"
    own.mkdir(parents=True)
    (own / "tiny.yaml").write_text("name: tiny\nruntimes: [tflite]\n")
    monkeypatch.setenv("XDG_CONFIG_HOME", str(tmp_path / "config"))
    message = refusal(folder, GOOD.replace("device: host", "device: tiny"))
    assert "recipe.yaml:5: runtimes.1: found 'onnxruntime', which device 'tiny'" in message
    assert message.endswith("allowed: tflite")


def test_a_task_may_not_leave_the_folder_through_a_link(folder, tmp_path_factory):
    outside = tmp_path_factory.mktemp("outside") / "task.py"
    outside.write_text("")
    (folder / "linked.py").symlink_to(outside)
    message = refusal(folder, GOOD.replace("task.py", "linked.py"))
    assert message.startswith("recipe.yaml:2: task: found 'linked.py'; allowed: a file inside")


def test_empty_sections_are_defaults(folder):
    text = GOOD.replace("{data: null}", "").replace("{scheme: int8, mode: ptq}", "")
    recipe = read(write(folder, text)).recipe
    assert recipe.params == {}
    assert recipe.steps[2].quantize == Quantize()


def test_no_such_recipe_names_the_nearest_that_is_shipped(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(RecipeError, match=r"recipes/digit: no such recipe; did you mean 'recipes/"):
        find(Path("recipes/digit"))
    with pytest.raises(RecipeError, match=r"nowhere: no such recipe; .*edgesmith init"):
        find(Path("nowhere"))


def test_a_folder_without_recipe_says_so(tmp_path):
    with pytest.raises(RecipeError, match=r"no recipe: this folder holds no recipe\.yaml"):
        find(tmp_path)


def test_a_shipped_recipe_is_found_from_anywhere_and_gives_way_to_one_here(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    shipped = find(Path("recipes/digits"))
    assert shipped.is_relative_to(recipes.SHIPPED)
    (tmp_path / "recipes" / "digits").mkdir(parents=True)
    (tmp_path / "recipes" / "digits" / "recipe.yaml").write_text(GOOD)
    assert find(Path("recipes/digits")) == Path("recipes/digits/recipe.yaml")


def test_the_shipped_recipe_is_valid():
    assert read(recipes.SHIPPED / "digits").recipe.runtimes == recipes.RUNTIMES


def described(node, path=()):
    """Every property of a JSON schema, and whether it has a description."""
    if isinstance(node, dict):
        for name, child in node.get("properties", {}).items():
            yield (*path, name), bool(child.get("description"))
        for key, child in node.items():
            yield from described(child, (*path, key))
    elif isinstance(node, list):
        for child in node:
            yield from described(child, path)


def test_the_schema_describes_every_key():
    document = json.loads(json.dumps(schema()))
    found = dict(described(document))
    assert {"steps", "budget", "device"} <= {path[0] for path in found}
    assert [path for path, has in found.items() if not has] == []


@given(st.one_of(st.floats(), st.integers(), st.booleans(), st.text(), st.none()))
def test_a_ratio_is_a_number_between_0_and_1_or_nothing(value):
    is_share = isinstance(value, float) and 0 < value < 1
    try:
        assert Prune(ratio=value).ratio == value
        assert is_share
    except ValidationError:
        assert not is_share


@given(st.floats())
def test_training_settings_are_finite_and_positive(value):
    try:
        settings = Recover(learning_rate=value, distill=Distill(temperature=value))
        assert math.isfinite(settings.learning_rate)
        assert settings.learning_rate > 0
    except ValidationError:
        assert not 0 < value <= 10


def test_reading_a_recipe_imports_no_torch(folder):
    code = (
        "import sys, pathlib; from pipeline.recipe import read; read(pathlib.Path(sys.argv[1]));"
        "assert 'torch' not in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code, write(folder, GOOD)], check=True)


def test_overrides_are_applied_in_order(folder):
    loaded = read(
        write(folder, GOOD),
        ["steps.0.prune.ratio=0.5", "budget.latency_ms.p95=1e-5", "device=host"],
    )
    assert loaded.recipe.steps[0].prune == Prune(ratio=0.5)
    assert loaded.recipe.budget.limits()["latency_ms.p95"] == 1e-5


def test_an_error_about_a_key_names_its_line_or_its_override(folder):
    location = ("budget", "metric", "name")
    loaded = read(write(folder, GOOD))
    assert str(loaded.error(location, "no")).endswith("recipe.yaml:9: budget.metric.name: no")
    loaded = read(folder, ["budget.metric.name=f1"])
    assert str(loaded.error(location, "no")) == (
        "--set budget.metric.name=f1: budget.metric.name: no"
    )
