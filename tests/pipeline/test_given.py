"""What a check is told besides the file and its limits."""

from pathlib import Path

import pytest

from pipeline.check import stated_budget
from pipeline.given import NOTHING, Given
from targets.errors import RecipeError, UsageError


def test_shapes_are_read_by_input() -> None:
    given = Given.read(["x=1,3,224,224", "a:0=1,8"], None)
    assert given.shapes == {"x": (1, 3, 224, 224), "a:0": (1, 8)}
    assert Given.read((), None) == NOTHING


@pytest.mark.parametrize("text", ["", "x", "x=", "=1,2", "x=1,two", "x=1,0", "x=1,-3", "x=1;2"])
def test_a_shape_that_can_not_be_read(text: str) -> None:
    with pytest.raises(UsageError, match="can't be read"):
        Given.read([text], None)


def test_a_shape_that_is_given_twice() -> None:
    with pytest.raises(UsageError, match="'x' is given twice"):
        Given.read(["x=1,2", "x=1,3"], None)


def test_limits_on_a_metric_need_data(tmp_path: Path) -> None:
    limits = ("size_kb=8", "metric.max_drop=0.01")
    with pytest.raises(RecipeError, match="--data TASK"):
        stated_budget(limits, None)
    found = stated_budget(limits, None, Given(data=tmp_path))
    assert found.limits() == {"size_kb": 8.0, "metric.max_drop": 0.01}
    assert found.metric is not None
    assert found.metric.name == ""  # the task's first


def test_a_file_names_the_metric(tmp_path: Path) -> None:
    file = tmp_path / "budget.yaml"
    file.write_text("version: 1\nmetric: {name: recall, max_drop: 0.1, max_class_drop: 0.2}\n")
    found = stated_budget(("metric.max_drop=0.05",), file, Given(data=tmp_path))
    assert found.metric is not None
    assert (found.metric.name, found.metric.max_drop) == ("recall", 0.05)
    assert found.metric.max_class_drop == 0.2


@pytest.mark.parametrize("value", ["", "-1", "0", "x", "5% of dense"])
def test_a_drop_that_can_not_be_read(tmp_path: Path, value: str) -> None:
    with pytest.raises(RecipeError, match=r"metric\.max_drop"):
        stated_budget((f"metric.max_drop={value}",), None, Given(data=tmp_path))
