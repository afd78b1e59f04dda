"""From the ways to plans to the report's document."""

from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import ways
from pipeline.landing import Landing, Planned
from pipeline.prune import BlockPlan, GroupPlan, PrunePlan
from pipeline.prune.settings import Settings
from pipeline.report.section import Unavailable
from pipeline.results import Judged, Made, Point, Results
from pipeline.search import Goal, Reading, Tried

P50 = Goal("tflite", "latency_ms.p50", 1.0)


def planned(kept: int, predicted: float) -> Planned:
    plan = PrunePlan(
        settings=Settings(ratio=0.0),
        groups=(GroupPlan(name="a", size=8, removed=tuple(range(kept, 8)), parameters=()),),
        pinned=(), macs_dense=80, macs_kept=10 * kept,
        parameters_dense=1, parameters_kept=1, macs_pinned=0,
        blocks=(BlockPlan(name="body.0", removed=kept < 4, macs=1, parameters=1),),
    )  # fmt: skip
    return Planned(plan, 0.1 * (8 - kept), {P50: predicted})


def landing(
    chosen: Planned, plans: list[Planned], observed: list[float], told: str = ""
) -> Landing:
    readings = [Reading(P50, 2.0, 2.0, 2.1)] + [
        Reading(P50, one.predicted[P50], value, value)
        for one, value in zip(plans[: len(observed)], observed, strict=True)
    ]
    names = ["", *(one.name for one in plans[: len(observed)])]
    tried = tuple(Tried(name, 0.0, (one,)) for name, one in zip(names, readings, strict=True))
    held = ({}, *({P50: 0.95 / one} for one in range(1, len(tried))))
    return Landing(("tflite",), tried, held, chosen, told, {one.name: one for one in plans})


def results(*landings: Landing, points: tuple[Point, ...] = ()) -> Results:
    judged = tuple(one.selected["tflite"] for one in points)
    made = Made("dense", Path(), None, {}, {})
    return Results(made, judged, landings, {}, points, {})


def test_every_measurement_is_there_with_what_it_changed():
    first, second = planned(6, 0.95), planned(3, 0.8)
    rows = ways.tries(results(landing(second, [first, second], [1.2, 0.9])))
    assert [row.plan for row in rows] == ["", first.name, second.name]
    assert [row.chosen for row in rows] == [False, False, True]
    assert [row.meets for row in rows] == [False, False, True]
    assert [row.macs for row in rows] == [1.0, 0.75, 0.375]
    assert rows[2].blocks == ("body.0",)
    taught = rows[1].limits[0]
    assert taught.residual == pytest.approx(1.2 / 0.95 - 1)
    assert taught.charged == 0.95
    assert taught.corrected == pytest.approx(0.95 * 0.95 / 1.2)
    assert isinstance(rows[0].limits[0].charged, Unavailable)


def test_a_plan_that_was_not_measured_says_so():
    first, second = planned(6, 0.95), planned(3, 0.8)
    last = ways.tries(results(landing(second, [first, second], [1.2])))[-1]
    assert last.plan == second.name
    assert last.chosen
    assert not last.meets
    assert last.limits[0].predicted == 0.8
    assert last.limits[0].observed == Unavailable(unavailable="not measured before recovery")


def test_what_can_not_be_met_is_told_by_runtime():
    one = planned(6, 0.95)
    found = results(landing(one, [one], [1.2], "no plan is below 1.2"))
    assert ways.unreachable(found) == {"tflite": "no plan is below 1.2"}


def point(stated: str, p50: float, accuracy: float) -> Point:
    line = SimpleNamespace(limit=P50.limit, budget=float(stated), observed=p50)
    trial = SimpleNamespace(
        verdict=SimpleNamespace(lines=(line,), status="PASS"),
        candidate=SimpleNamespace(latency_ms=lambda _: [p50]),
    )
    seen = SimpleNamespace(
        artifact=SimpleNamespace(size_bytes=1000),
        scores=SimpleNamespace(metrics={"accuracy": accuracy}),
    )
    made = Made(f"at-{stated}", Path(), None, {"tflite": seen}, {})
    return Point(P50.limit, stated, {"tflite": Judged(made, {"tflite": trial})})


def test_a_front_marks_what_another_point_beats(monkeypatch):
    points = (point("1.0", 0.9, 0.95), point("0.7", 0.6, 0.94), point("0.5", 0.65, 0.90))
    monkeypatch.setattr(Results, "selected", {"tflite": points[1].selected["tflite"]})
    front = ways.front(results(points=points), "accuracy", higher_is_better=True)
    assert [one.stated for one in front] == ["1.0", "0.7", "0.5"]
    assert [one.dominated for one in front] == [False, False, True]
    assert [one.selected for one in front] == [False, True, False]
    assert [one.latency_ms for one in front] == [0.9, 0.6, 0.65]
    by_loss = ways.front(results(points=points), "accuracy", higher_is_better=False)
    assert [one.dominated for one in by_loss] == [True, False, False]
