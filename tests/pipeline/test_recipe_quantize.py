"""The quantize step's settings: what fits together, and what is refused."""

from pathlib import Path

import pytest

from pipeline.recipe import Distill, Quantize, read
from targets.errors import RecipeError

TEXT = """version: 1
budget: {size_kb: 60}
steps:
  - quantize: {STEP}
"""


def written(folder: Path, step: str) -> Path:
    (folder / "task.py").touch()
    (folder / "recipe.yaml").write_text(TEXT.replace("{STEP}", step))
    return folder


def step(folder: Path, text: str) -> Quantize:
    return read(written(folder, text)).recipe.step("quantize").quantize


def test_a_settings_dump_reads_back(tmp_path):
    for text in ("", "{mode: qat}", "{mode: ladder, minutes: 9, exclude: [head]}"):
        asked = step(tmp_path, text)
        assert Quantize.model_validate(asked.model_dump(mode="json")) == asked


def test_distillation_is_on_by_default_and_can_be_left_out(tmp_path):
    trained = step(tmp_path, "{mode: qat}").training()
    assert (trained.epochs, trained.distill, trained.precision) == (4, Distill(), "fp32")
    assert step(tmp_path, "{mode: qat, distill: null}").training().distill is None
    assert step(tmp_path, "{mode: qat}").needs_loss
    assert not step(tmp_path, "{mode: qat, distill: {weight: 1}}").needs_loss


def test_training_lasts_for_its_epochs_or_the_minutes(tmp_path):
    asked = step(tmp_path, "{mode: ladder, minutes: 9}")
    assert asked.training(4.5).minutes == 4.5
    assert step(tmp_path, "{mode: ladder, minutes: 9, epochs: 2}").training(4.5).epochs == 2


def test_a_draft_is_made_without_training(tmp_path):
    asked = step(tmp_path, "{mode: ladder, minutes: 9, range: min-max, epochs: 2, exclude: [head]}")
    assert asked.at_once == Quantize(range="min-max", exclude=("head",))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("{mode: qat, engine: native}", "steps.0.quantize: found engine: native with mode: qat"),
        ("{mode: ladder, engine: native}", "allowed: engine: unified or auto"),
        ("{scheme: float16, mode: qat}", "found scheme: float16 with mode: qat"),
        ("{scheme: int4}", "steps.0.quantize.scheme: found 'int4'; did you mean 'int8'? allowed: "),
        ("{epochs: 3}", "found epochs; allowed: without it where mode is ptq"),
        ("{minutes: 3}", "found minutes; allowed: without it where mode is ptq"),
        ("{mode: qat, epochs: 2, minutes: 1}", "allowed: exactly one of epochs, minutes"),
        ("{scheme: float16, io: float32}", "found io; allowed: without it where scheme is float16"),
        ("{engine: native, range: entropy}", "without it where engine is native"),
        (
            "{engine: native, exclude: [head]}",
            "found exclude; allowed: without it where engine is ",
        ),
        ("{engine: auto, exclude: [head]}", "decides for itself, or engine: unified"),
        ("{scheme: float16, exclude: [head]}", "or scheme: int8"),
        ("{range: minmax}", "range: found 'minmax'; did you mean 'min-max'?"),
        ("{exclude: head}", "exclude: found 'head'; allowed: a list"),
    ],
)
def test_what_can_not_be_followed_is_refused_at_its_line(tmp_path, text, expected):
    with pytest.raises(RecipeError) as caught:
        step(tmp_path, text)
    message = str(caught.value).replace(f"{tmp_path}/", "")
    assert message.startswith("recipe.yaml:4: ")
    assert expected in message


def test_pruning_to_a_budget_plans_for_int8_only(tmp_path):
    file = written(tmp_path, "{scheme: float16}") / "recipe.yaml"
    file.write_text(
        file.read_text().replace("  - quantize", "  - prune: {to: budget}\n  - quantize")
    )
    with pytest.raises(RecipeError, match="allowed: scheme: int8, or another mode of prune"):
        read(tmp_path)
