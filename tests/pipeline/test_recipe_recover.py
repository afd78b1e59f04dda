"""The recover step's settings."""

from pathlib import Path

import pytest

from pipeline.recipe import Distill, Recover, read
from targets.errors import RecipeError

TEXT = """version: 1
budget: {size_kb: 60}
steps:
  - recover: {STEP}
"""


def written(folder: Path, step: str) -> Path:
    (folder / "task.py").touch()
    (folder / "recipe.yaml").write_text(TEXT.replace("{STEP}", step))
    return folder


def step(folder: Path, text: str, *overrides: str) -> Recover:
    return read(written(folder, text), overrides).recipe.step("recover").recover


def test_without_a_mode_it_is_four_epochs(tmp_path):
    assert step(tmp_path, "").epochs == step(tmp_path, "{}").epochs == 4
    assert step(tmp_path, "{learning_rate: 1e-3}").minutes is None
    assert Recover() == Recover(epochs=4)


def test_minutes_are_the_other_mode(tmp_path):
    asked = step(tmp_path, "{minutes: 10}")
    assert (asked.minutes, asked.epochs) == (10.0, None)
    assert Recover.model_validate(asked.model_dump()) == asked


@pytest.mark.parametrize(
    ("text", "override", "expected"),
    [
        ("{epochs: 4}", "minutes=0.5", (None, 0.5)),
        ("{minutes: 10}", "epochs=3", (3, None)),
        ("", "minutes=2", (None, 2.0)),
    ],
)
def test_setting_one_mode_replaces_the_other(tmp_path, text, override, expected):
    asked = step(tmp_path, text, f"steps.0.recover.{override}")
    assert (asked.epochs, asked.minutes) == expected


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("{epochs: 4, minutes: 10}", "found epochs and minutes; allowed: exactly one of epochs, "),
        ("{minutes: 0}", "minutes: found 0"),
        ("{minutes: .inf}", "minutes: found "),
        ("{precision: fp16}", "precision: found 'fp16'"),
        ("{distill: {feature_weight: 2}}", "found feature_weight without features"),
        ("{distill: {features: 3}}", "features: found 3; allowed: a list"),
        ("{distill: {features: [relu], feature_weight: 0}}", "feature_weight: found 0"),
    ],
)
def test_what_it_does_not_take_is_told(tmp_path, text, told):
    with pytest.raises(RecipeError) as caught:
        step(tmp_path, text)
    assert told in str(caught.value)


@pytest.mark.parametrize(
    ("text", "expected"), [("auto", ("auto",)), ("['layer*', relu_3]", ("layer*", "relu_3"))]
)
def test_features_are_a_name_or_a_list(tmp_path, text, expected):
    asked = step(tmp_path, f"{{distill: {{features: {text}}}}}")
    assert asked.distill == Distill(features=expected)
    assert Distill.model_validate(asked.distill.model_dump()) == asked.distill


def test_how_long_is_told():
    lengths = [Recover(epochs=1), Recover(epochs=4), Recover(minutes=1), Recover(minutes=2.5)]
    assert [one.told for one in lengths] == ["1 epoch", "4 epochs", "1 minute", "2.5 minutes"]
