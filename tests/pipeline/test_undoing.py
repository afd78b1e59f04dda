"""That a runtime which makes int8 of what is excluded is told of, with what was counted."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import undoing
from pipeline.placing import Placement
from pipeline.recipe import Quantize
from targets.errors import ConversionError, TaskError
from targets.execution import Execution
from targets.measurement import ExecutedOp

MEASURED = Placement(("a",), "all gelu in float: 80% of the time")


def execution(floats: int) -> Execution:
    left = tuple(ExecutedOp(f"op{n}", "Gelu", "float32") for n in range(floats))
    return Execution(100, 0.9, left, None, (), 0, 0)


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch):
    """What a placement tells, where artifacts of the plans without and with exclusion compute so
    many operators in float; None where there is none."""

    def tell(whole: int | None, kept: int | None, keeps: tuple[str, ...] = ("gelu",)) -> str:
        counts = {Path("whole"): whole, Path("kept"): kept}

        def drafted(desk, folder, settings, runtime):
            if counts[folder] is None:
                raise ConversionError("no such operator")
            return None, execution(counts[folder])

        def plan(desk, shaped, method, own):
            return Path("kept" if own else "whole")

        monkeypatch.setattr(undoing, "drafted", drafted)
        monkeypatch.setattr(undoing.quantizing, "excluded", lambda *_: keeps)
        monkeypatch.setattr(undoing.quantizing, "plan", plan)
        desk = SimpleNamespace(console=SimpleNamespace(remark=lambda _: None))
        settings = Quantize(exclude=("gelu",))
        return undoing.with_excluded(desk, Path("m"), settings, "openvino", MEASURED).told

    return tell


def test_what_stayed_float_needs_no_word(told):
    assert told(2, 3) == MEASURED.told
    assert told(2, 2, keeps=()) == MEASURED.told


def test_what_is_int8_again_is_told(told):
    found = told(2, 2)
    assert found.startswith(f"{MEASURED.told}; what is excluded (gelu) did not stay float: 2 oper")


def test_what_has_no_counterpart_is_not_judged(told, monkeypatch):
    assert told(None, 2) == MEASURED.told
    assert told(2, None) == MEASURED.told

    def refuse(*_):
        raise TaskError("a tensor is infinite")

    monkeypatch.setattr(undoing.quantizing, "plan", refuse)
    settings = Quantize(exclude=("gelu",))
    assert undoing.with_excluded(None, Path("m"), settings, "openvino", MEASURED) == MEASURED
