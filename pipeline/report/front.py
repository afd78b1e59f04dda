"""The page's section on a sweep: the metric against latency and against size, for each runtime.

Positions are percent of a chart's box, as in charts.py.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass
from itertools import pairwise

from pipeline.report import wording
from pipeline.report.charts import Tick, axis
from pipeline.report.document import Metric, Report
from pipeline.report.planned import FrontPoint
from pipeline.report.wording import Figure


@dataclass(frozen=True)
class Dot:
    """A candidate in a chart: where it lies, and what it is."""

    x: float
    y: float
    name: str
    kind: str


@dataclass(frozen=True)
class Scatter:
    """The metric against a cost. `line` joins the points that none dominates."""

    title: str
    dots: tuple[Dot, ...]
    line: tuple[tuple[float, float, float, float], ...]
    across: tuple[Tick, ...]
    up: tuple[Tick, ...]


@dataclass(frozen=True)
class PointView:
    """A line of the front's table."""

    stated: str
    latency: Figure
    size: Figure
    score: Figure
    status: str
    note: str
    selected: bool


@dataclass(frozen=True)
class FrontView:
    """A runtime's front."""

    runtime: str
    limit: str
    charts: tuple[Scatter, ...]
    points: tuple[PointView, ...]


def fronts(report: Report) -> tuple[FrontView, ...]:
    """A front for each runtime of a sweep; empty without one."""
    runtimes = dict.fromkeys(one.runtime for one in report.front)
    return tuple(_front(report, runtime) for runtime in runtimes)


def _front(report: Report, runtime: str) -> FrontView:
    metric = wording.metric_of(report)
    points = [one for one in report.front if one.runtime == runtime]
    score = f"{metric.name} against "
    return FrontView(
        wording.runtime_name(runtime),
        wording.limit_name(points[0].limit, metric.name),
        (
            _scatter(f"{score}latency p50, ms", _latencies(report, points, metric), metric),
            _scatter(f"{score}size, kB", _sizes(report, points, metric), metric),
        ),
        tuple(_point(one, metric) for one in points),
    )


Placed = tuple[float, float, str, str]
"""A cost, a score, a name and a kind."""


def _latencies(report: Report, points: Sequence[FrontPoint], metric: Metric) -> list[Placed]:
    dense = report.dense().get(points[0].runtime)
    before = dense.measurement.latency_ms.p50 if dense else None
    return _placed(report, points, metric, before, [one.latency_ms for one in points])


def _sizes(report: Report, points: Sequence[FrontPoint], metric: Metric) -> list[Placed]:
    dense = report.dense().get(points[0].runtime)
    before = dense.artifact.size_bytes / 1000 if dense else None
    return _placed(report, points, metric, before, [one.size_bytes / 1000 for one in points])


def _placed(
    report: Report,
    points: Sequence[FrontPoint],
    metric: Metric,
    dense: object,
    costs: Sequence[float],
) -> list[Placed]:
    found = [
        (cost, one.metric, one.stated, _kind(one))
        for cost, one in zip(costs, points, strict=True)
        if isinstance(one.metric, float)
    ]
    row = report.dense().get(points[0].runtime)
    score = row.metrics.get(metric.name) if row else None
    if isinstance(dense, float) and isinstance(score, float):
        found.append((dense, score, "dense", "dense"))
    return found


def _kind(point: FrontPoint) -> str:
    if point.dominated:
        return "dominated"
    return "chosen" if point.selected else "point"


def _scatter(title: str, placed: Sequence[Placed], metric: Metric) -> Scatter:
    if not placed:
        return Scatter(title, (), (), (), ())
    across, end = axis(max(cost for cost, *_ in placed) * 1.05)
    low, high, up = _scores([score for _, score, *_ in placed], metric)
    dots = tuple(
        Dot(100 * cost / end, 100 * (high - score) / (high - low), name, kind)
        for cost, score, name, kind in placed
    )
    front = sorted((dot.x, dot.y) for dot in dots if dot.kind in ("point", "chosen"))
    line = tuple((*one, *other) for one, other in pairwise(front))
    return Scatter(title, dots, line, across, up)


def _scores(scores: Sequence[float], metric: Metric) -> tuple[float, float, tuple[Tick, ...]]:
    """The range of the scores, widened to round marks, and those marks from the top down."""
    span = max(max(scores) - min(scores), 0.01 * max(abs(max(scores)), 1e-6))
    step = 10.0 ** math.floor(math.log10(span / 2))
    step *= max(s for s in (1, 2, 5) if s * step <= span / 2 * (1 + 1e-9))
    first, last = math.floor(min(scores) / step), math.ceil(max(scores) / step)
    last = max(last, first + 1)
    marks = [step * place for place in range(last, first - 1, -1)]
    ticks = tuple(
        Tick(100 * (marks[0] - mark) / (marks[0] - marks[-1]), _mark(mark, step, metric))
        for mark in marks
    )
    return marks[-1], marks[0], ticks


def _mark(value: float, step: float, metric: Metric) -> str:
    scale = 100.0 if metric.name in wording.FRACTIONS else 1.0
    decimals = max(0, -math.floor(math.log10(step * scale) + 1e-9))
    unit = "%" if metric.name in wording.FRACTIONS else ""
    return f"{value * scale:.{decimals}f}{unit}".replace("-", wording.MINUS)


def _point(one: FrontPoint, metric: Metric) -> PointView:
    note = "another point is as good or better in both" if one.dominated else ""
    return PointView(
        stated=one.stated,
        latency=wording.figure(one.latency_ms, "ms"),
        size=wording.size(one.size_bytes),
        score=wording.score(one.metric, metric.name),
        status=one.status,
        note="delivered" if one.selected else note,
        selected=one.selected,
    )
