"""Every shipped recipe stands alone, as a user's own would."""

import ast
from pathlib import Path

import pytest

from pipeline.recipe import read

RECIPES = Path(__file__).parents[2] / "recipes"
FOLDERS = sorted(file.parent for file in RECIPES.glob("*/recipe.yaml"))
OURS = {"pipeline", "targets", "recipes"}


def test_there_are_recipes():
    assert {"cifar10", "digits", "spoken_digits"} <= {folder.name for folder in FOLDERS}


@pytest.mark.parametrize("file", sorted(RECIPES.glob("*/*.py")), ids=lambda file: str(file)[-24:])
def test_it_imports_nothing_of_ours(file):
    imported = set()
    for node in ast.walk(ast.parse(file.read_text())):
        if isinstance(node, ast.Import):
            imported |= {name.name.partition(".")[0] for name in node.names}
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0
            imported.add(node.module.partition(".")[0])
    assert not imported & OURS


@pytest.mark.parametrize("folder", FOLDERS, ids=lambda folder: folder.name)
def test_the_recipe_reads(folder):
    recipe = read(folder / "recipe.yaml").recipe
    assert recipe.runtimes == ("tflite", "openvino", "onnxruntime")
    assert [step.name for step in recipe.steps] == ["prune", "recover", "quantize"]
