"""The page's section on the gate: each final artifact's latency as a share of its parents'."""

from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.charts import Tick, axis
from pipeline.report.document import Report
from pipeline.report.gate import ComparisonRow, GateRow, RatioRow
from pipeline.report.wording import Figure

PARENTS = {"dense": "dense", "float32": "its own float32 version"}


@dataclass(frozen=True)
class Interval:
    """A ratio on its axis: positions in percent of the width, and as it is read."""

    quantile: str
    low: float
    high: float
    at: float
    estimate: Figure
    text: str


@dataclass(frozen=True)
class AgainstView:
    """One comparison: an interval for each quantile."""

    parent: str
    verdict: str
    reason: str
    intervals: tuple[Interval, ...]


@dataclass(frozen=True)
class GateView:
    """A runtime's final artifact at the gate, on an axis from 0 that shows where 1 is."""

    runtime: str
    one: GateRow
    against: tuple[AgainstView, ...]
    ticks: tuple[Tick, ...]
    equal_at: float


def gates(report: Report) -> tuple[GateView, ...]:
    """What the gate found, by runtime."""
    return tuple(_gate(one) for one in report.gate)


def _gate(one: GateRow) -> GateView:
    reach = max((each.high for row in one.comparisons for each in row.ratio.values()), default=1.0)
    ticks, end = axis(max(1.0, reach))
    against = tuple(_against(row, end) for row in one.comparisons)
    return GateView(wording.runtime_name(one.runtime), one, against, ticks, 100 / end)


def _against(row: ComparisonRow, end: float) -> AgainstView:
    intervals = tuple(_interval(name, one, end) for name, one in row.ratio.items())
    parent = PARENTS.get(row.against, row.against)
    return AgainstView(parent, row.verdict, row.reason, intervals)


def _interval(quantile: str, ratio: RatioRow, end: float) -> Interval:
    low, high, at = (100 * value / end for value in (ratio.low, ratio.high, ratio.estimate))
    text = f"{wording.digits(ratio.low)} to {wording.digits(ratio.high)}"
    return Interval(quantile, low, high, at, Figure(wording.digits(ratio.estimate), "times"), text)
