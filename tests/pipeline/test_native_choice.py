"""Of both engines' candidates one is delivered: by verdict, then by time; and nothing is lost."""

from dataclasses import replace
from types import SimpleNamespace

import pytest

from pipeline import native as native_engine
from pipeline.evaluate import Scores
from pipeline.native import _score, better, check_tools
from pipeline.recipe import Quantize
from pipeline.results import Judged, together
from pipeline.stages import Exported
from pipeline.workspace import Workspace
from targets.artifact import Artifact
from targets.budget import Verdict
from targets.errors import EnvironmentFault
from targets.limit import MetricLimits
from targets.measurement import ExecutedOp
from targets.target import Description


def measured(ms):
    return SimpleNamespace(latency_ms=lambda quantile: (ms, ms, ms))


def scores(accuracy, recall=0.9):
    return Scores({"accuracy": accuracy, "recall": recall}, {}, {"accuracy": True, "recall": True})


DENSE = scores(0.9)
LIMITS = MetricLimits(name="accuracy", max_drop=0.02)


def judged(status, ms, dense_ms=1.0, accuracy=0.9):
    verdict = Verdict(status=status, lines=())
    trial = SimpleNamespace(dense=measured(dense_ms), candidate=measured(ms), verdict=verdict)
    seen = {"tflite": SimpleNamespace(scores=scores(accuracy))}
    made = SimpleNamespace(name=f"{status} {ms}", failures={}, seen=seen)
    return Judged(made, {"tflite": trial})


def choose(unified, native, limits=LIMITS):
    return better(unified, native, "tflite", DENSE, limits)


@pytest.mark.parametrize(
    ("unified", "native", "takes_native"),
    [
        (judged("PASS", 0.5), judged("PASS", 0.6), False),
        (judged("PASS", 0.6), judged("PASS", 0.5), True),
        (judged("PASS", 0.6), judged("FAIL", 0.5), False),
        (judged("FAIL", 0.5), judged("PASS", 0.9), True),
        # each sitting has a dense model of its own: half of 1.2 is better than 0.55 of 1.0
        (judged("PASS", 0.6, 1.2), judged("PASS", 0.55), False),
        # within the limits the faster one, beyond them the one that loses less
        (judged("PASS", 0.6), judged("PASS", 0.5, accuracy=0.885), True),
        (judged("FAIL", 0.6, accuracy=0.85), judged("FAIL", 0.5, accuracy=0.1), False),
        (judged("FAIL", 0.6, accuracy=0.1), judged("FAIL", 0.7, accuracy=0.85), True),
    ],
)
def test_the_better_verdict_then_the_faster(unified, native, takes_native):
    one, other = choose(unified, native)
    assert (one.beside, other.beside) == (takes_native, not takes_native)


@pytest.mark.parametrize(("accuracy", "takes_native"), [(0.1, False), (0.895, True)])
def test_without_a_limit_a_collapse_is_no_bargain(accuracy, takes_native):
    native = judged("PASS", 0.599, accuracy=accuracy)
    one, _ = choose(judged("PASS", 0.6), native, limits=None)
    assert one.beside is takes_native


def test_the_grid_goes_by_the_metric_that_is_limited():
    grid = [scores(0.9, recall=0.3), scores(0.8, recall=0.7)]
    limits = MetricLimits(name="recall", max_drop=0.02)
    assert max(grid, key=lambda one: _score(one, limits)) is grid[1]
    assert max(grid, key=lambda one: _score(one, None)) is grid[0]


def test_what_a_tool_left_in_float_is_no_candidate(tmp_path, monkeypatch):
    """The grid's artifacts execute float operators alone: the runtime has the reason instead."""
    told = Description(
        Artifact(tmp_path, "tflite", "0" * 64, 1, (), ()),
        (ExecutedOp("c", "CONV_2D", "float32"),),
        "1",
    )
    monkeypatch.setattr(native_engine.evidence, "describe", lambda *_: told)
    monkeypatch.setattr(native_engine.evidence, "see", lambda *_: pytest.fail("it is no int8"))
    monkeypatch.setattr(native_engine, "quantize_native", lambda *_: None)
    monkeypatch.setattr(native_engine, "samples", lambda desk: [])
    exported = Exported(tmp_path, {"tflite": tmp_path / "model.tflite"}, {})
    monkeypatch.setattr(native_engine.stages, "export", lambda *_: exported)
    with Workspace.open(tmp_path / "run", "recipe") as workspace:
        desk = SimpleNamespace(
            quantize=Quantize(engine="native"),
            device=SimpleNamespace(activations_for=lambda runtime: "int8", activations={}),
            task=SimpleNamespace(identity=lambda: "task"),
            workspace=workspace,
            console=SimpleNamespace(step=lambda _: None, progress=lambda *_: None),
        )
        made = native_engine.made(desk, "", tmp_path, "tflite")
    assert made.seen == {}
    assert "executes no int8 operator (found float32)" in made.failures["tflite"]


def test_a_missing_tool_is_told_before_anything_is_made(tmp_path, monkeypatch):
    (tmp_path / "nncf.py").write_text("raise ImportError('none here')")
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    desk = SimpleNamespace(quantize=Quantize(engine="auto"), targets={"openvino": None})
    with Workspace.open(tmp_path / "run", "recipe") as desk.workspace:
        with pytest.raises(EnvironmentFault, match=r"pip install 'edgesmith\[nncf\]'"):
            check_tools(desk)
        desk.quantize = Quantize()
        check_tools(desk)
        assert desk.workspace.made == []


def test_an_engine_that_made_nothing_loses():
    made, nothing = judged("FAIL", 0.5), replace(judged("PASS", 0.5), trials={})
    assert [one.beside for one in choose(made, nothing)] == [False, False]
    assert [one.beside for one in choose(nothing, made)] == [True, False]


def test_what_stands_beside_is_no_part_of_the_whole():
    one, other = choose(judged("PASS", 0.6), judged("PASS", 0.5))
    assert together((one, other)).trials == other.trials
