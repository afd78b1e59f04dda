"""The page's section on quantization: rungs that were tried, and what the data leave in doubt."""

from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.climbed import Finding, RungRow
from pipeline.report.document import Metric, Row, Unavailable
from pipeline.report.section import Reading
from pipeline.report.sections import Shared, shared
from pipeline.report.wording import Figure


@dataclass(frozen=True)
class RungView:
    """A line of a ladder's table."""

    row: RungRow
    metric: Figure
    drop: Figure
    class_drop: Figure
    latency: Figure


@dataclass(frozen=True)
class LadderView:
    """A runtime's ladder, and what stays float there since that is faster."""

    runtime: str
    rungs: tuple[RungView, ...]
    placed: str


def ladders(rows: Sequence[Row], metric: Metric) -> tuple[LadderView, ...]:
    """The ladders of all runtimes that have one, or where operators were placed."""
    return tuple(
        LadderView(
            wording.runtime_name(row.runtime),
            tuple(_rung(one, metric) for one in row.rungs),
            row.placed,
        )
        for row in rows
        if row.rungs or row.placed
    )


def findings(rows: Sequence[Row]) -> tuple[Shared[tuple[str, ...]], ...]:
    """Doubts about the calibration data, by the runtimes that share them."""
    return shared(rows, lambda row: tuple(map(_told, row.findings)))


def _told(finding: Finding) -> str:
    return finding.message


def _rung(one: RungRow, metric: Metric) -> RungView:
    return RungView(
        one,
        wording.score(one.metric, metric.name),
        _lost(one.drop, metric),
        _lost(one.class_drop, metric),
        wording.figure(one.latency_ms, "ms"),
    )


def _lost(drop: Reading, metric: Metric) -> Figure:
    """A drop as the change of the metric that it is."""
    if isinstance(drop, Unavailable):
        return Figure(wording.NO_READING, reason=drop.unavailable)
    return wording.change(-drop if metric.higher_is_better else drop, metric.name)
