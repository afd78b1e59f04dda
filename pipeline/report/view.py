"""The page's contents, one runtime at a time: the document arranged for the eye, no markup."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.charts import Bullet, Distribution, Processes, bullet, distribution
from pipeline.report.document import Line, Metric, Reading, Report, Row, Unavailable
from pipeline.report.wording import Figure

CLASSES_SHOWN = 20
"""The classes that changed for the worse the most; a page of a thousand bars shows nothing."""


@dataclass(frozen=True)
class LimitView:
    """One limit of one runtime. `use` is how much of the budget the bound takes."""

    name: str
    stated: str
    budget: Figure
    observed: Figure
    bound: Figure
    use: Bullet | None
    status: str
    reason: str


@dataclass(frozen=True)
class Cell:
    """A number of the table and, beneath it, what it is of the dense one's."""

    figure: Figure
    note: str = ""


@dataclass(frozen=True)
class RowView:
    """A row of the table. `worst` is the score of the class that lost the most, `lost` how much."""

    label: str
    p50: Cell
    p95: Cell
    memory: Cell
    size: Cell
    score: Cell
    worst: Cell
    worst_name: str
    lost: str
    status: str | None


@dataclass(frozen=True)
class ClassView:
    """One class: both scores, the change (negative is worse), and its bar in percent of half."""

    name: str
    dense: Figure
    final: Figure
    change: Figure
    width: float
    worse: bool


@dataclass(frozen=True)
class Classes:
    """The per-class changes of one runtime."""

    shown: tuple[ClassView, ...]
    hidden: int
    limit_at: float | None


@dataclass(frozen=True)
class RuntimeView:
    """Everything that is shown of one runtime."""

    name: str
    status: str | None
    sentence: str
    limits: tuple[LimitView, ...]
    dense: RowView | None
    final: RowView
    chart: Distribution | None
    chart_limit: str
    chart_reason: str
    classes: Classes | None
    row: Row
    agreement: Figure | None


def runtime_view(
    report: Report, row: Row, samples: Mapping[str, Processes], metric: Metric
) -> RuntimeView:
    """A selected candidate beside its baseline.

    Args:
        samples: latencies in ms by `samples_path`, an array for each process.
    """
    dense = report.dense().get(row.runtime)
    line = _latency_line(row)
    before, after = _processes(samples, dense), _processes(samples, row)
    whole = bool(before and after)
    return RuntimeView(
        name=wording.runtime_name(row.runtime),
        status=row.verdict.status if row.verdict else None,
        sentence=wording.sentence(row, metric.name),
        limits=limits(row, metric),
        dense=row_view("Dense", dense, dense, row, metric) if dense else None,
        final=row_view("Final", row, dense, row, metric),
        chart=distribution(before, after, _number(line)) if whole else None,
        chart_limit=_limit_text(line, metric) if line else "",
        chart_reason="" if whole else "the raw samples are not beside this report",
        classes=classes(dense, row, metric) if dense else None,
        row=row,
        agreement=None if row.agreement is None else wording.score(row.agreement, "accuracy"),
    )


def limits(row: Row, metric: Metric) -> tuple[LimitView, ...]:
    """Each limit's line."""
    return tuple(_limit(line, metric.name) for line in (row.verdict.lines if row.verdict else ()))


def _limit(line: Line, metric: str) -> LimitView:
    judged = line.observed if isinstance(line.bound, Unavailable) else line.bound
    return LimitView(
        name=wording.limit_name(line.limit, metric),
        stated=line.stated if "%" in line.stated else "",
        budget=wording.limit_figure(line.limit, line.budget, metric),
        observed=wording.limit_figure(line.limit, line.observed, metric),
        bound=wording.limit_figure(line.limit, line.bound, metric),
        use=_use(judged, line.budget),
        status=line.status,
        reason=line.reason,
    )


def _use(judged: Reading, budget: Reading) -> Bullet | None:
    if isinstance(judged, Unavailable) or isinstance(budget, Unavailable):
        return None
    return bullet(judged, budget)


def row_view(label: str, row: Row, dense: Row | None, final: Row, metric: Metric) -> RowView:
    """A row of the table; the worst class is the one that the final artifact lost the most in."""
    base = None if dense is None or row is dense else dense
    latency, memory = row.measurement.latency_ms, row.measurement.peak_memory_mb
    of = base.measurement if base else None
    worst_name, lost = worst_class(dense, final, metric)
    sizes = row.artifact.size_bytes, base.artifact.size_bytes if base else None
    return RowView(
        label=label,
        p50=Cell(wording.figure(latency.p50, "ms"), _of(latency.p50, of and of.latency_ms.p50)),
        p95=Cell(wording.figure(latency.p95, "ms"), _of(latency.p95, of and of.latency_ms.p95)),
        memory=Cell(wording.figure(memory, "MB"), _of(memory, of and of.peak_memory_mb)),
        size=Cell(wording.size(row.artifact.size_bytes), _size_note(row, _of(*sizes))),
        score=_score(row, base, metric),
        worst=_worst(row, worst_name, lost if row is final else "", metric),
        worst_name=worst_name,
        lost=lost if row is final else "",
        status=row.verdict.status if row.verdict else None,
    )


def _size_note(row: Row, of: str) -> str:
    """Compressed too, where that is known: weights that are zero show in nothing else."""
    packed = row.artifact.gzip_bytes
    zipped = "" if packed is None else f"{wording.size(packed)} gzipped"
    return ", ".join(filter(None, (of, zipped)))


def _of(value: object, dense: object) -> str:
    """How much of the dense one's, in percent."""
    if isinstance(value, int | float) and isinstance(dense, int | float) and dense > 0:
        return f"{value / dense:.0%} of dense"
    return ""


def _score(row: Row, base: Row | None, metric: Metric) -> Cell:
    value = row.metrics.get(metric.name, Unavailable(unavailable="not scored"))
    before = base.metrics.get(metric.name) if base else None
    lost = None if before is None else wording.drop(before, value, metric)
    note = "" if lost is None else str(wording.change(_signed(lost, metric), metric.name))
    return Cell(wording.score(value, metric.name), note)


def _signed(lost: float, metric: Metric) -> float:
    """A drop as a change of the metric itself."""
    return -lost if metric.higher_is_better else lost


def worst_class(dense: Row | None, final: Row, metric: Metric) -> tuple[str, str]:
    """The class that the final artifact lost the most in, and the change; empty if unknown."""
    drops = wording.class_drops(dense, final, metric) if dense else {}
    if not drops:
        return "", ""
    name, lost = next(iter(drops.items()))
    return name, str(wording.change(_signed(lost, metric), metric.name))


def _worst(row: Row, name: str, lost: str, metric: Metric) -> Cell:
    if not name:
        return Cell(Figure(wording.NO_READING, reason="no per-class scores"))
    note = f"class {name}{', ' if lost else ''}{lost}"
    return Cell(wording.score(row.per_class[name], metric.name), note)


def classes(dense: Row, final: Row, metric: Metric) -> Classes | None:
    """The change of each class, the worst first; None where nothing is scored by class."""
    drops = wording.class_drops(dense, final, metric)
    if not drops:
        return None
    budget = _budget(final, "metric.max_class_drop")
    reach = max(*(abs(lost) for lost in drops.values()), budget or 0.0, 1e-9)
    shown = list(drops.items())[:CLASSES_SHOWN]
    return Classes(
        tuple(
            ClassView(
                name,
                wording.score(dense.per_class[name], metric.name),
                wording.score(final.per_class[name], metric.name),
                wording.change(_signed(lost, metric), metric.name),
                50 * abs(lost) / reach,
                lost > 0,
            )
            for name, lost in shown
        ),
        len(drops) - len(shown),
        None if budget is None else 50 * budget / reach,
    )


def _budget(row: Row, limit: str) -> float | None:
    lines = row.verdict.lines if row.verdict else ()
    return _number(next((line for line in lines if line.limit == limit), None))


def _number(line: Line | None) -> float | None:
    """A line's budget, where it has one."""
    return None if line is None or isinstance(line.budget, Unavailable) else line.budget


def _latency_line(row: Row) -> Line | None:
    """The latency limit that the chart shows: p95's where there is one."""
    lines = [one for one in (row.verdict.lines if row.verdict else ()) if "latency_ms" in one.limit]
    return next((one for one in lines if one.limit.endswith("p95")), lines[0] if lines else None)


def _limit_text(line: Line, metric: Metric) -> str:
    budget = wording.limit_figure(line.limit, line.budget, metric.name)
    return f"{line.limit.removeprefix('latency_ms.')} limit {budget}"


def _processes(samples: Mapping[str, Processes], row: Row | None) -> Processes:
    path = row.measurement.samples_path if row else None
    processes = samples.get(path, ()) if path else ()
    return [one for one in processes if len(one)]
