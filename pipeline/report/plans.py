"""The page's section on plans: what was predicted, what was measured, and what that changed."""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

from pipeline.report import wording
from pipeline.report.charts import Bullet, bullet
from pipeline.report.document import Report
from pipeline.report.planned import Charged, SearchTry
from pipeline.report.section import Reading, Unavailable
from pipeline.report.wording import Figure


@dataclass(frozen=True)
class ChargedView:
    """What one limit taught: `use` is how much of it the slowest process took."""

    name: str
    predicted: Figure
    observed: Figure
    residual: Figure
    budget: Figure
    use: Bullet | None
    changed: str


@dataclass(frozen=True)
class TryView:
    """One whole model on the way to a plan."""

    label: str
    note: str
    verdict: str
    chosen: bool
    limits: tuple[ChargedView, ...]


@dataclass(frozen=True)
class WayView:
    """The way to the plan of some runtimes."""

    runtimes: str
    tries: tuple[TryView, ...]
    unreachable: str


def ways(report: Report) -> tuple[WayView, ...]:
    """The ways to plans, in order; each begins with the unpruned model."""
    metric = wording.metric_of(report).name
    return tuple(_way(own, metric) for own in _split(report.search))


def _split(tries: Sequence[SearchTry]) -> Iterator[list[SearchTry]]:
    own: list[SearchTry] = []
    for one in tries:
        if own and not one.plan:
            yield own
            own = []
        own.append(one)
    if own:
        yield own


def _way(tries: list[SearchTry], metric: str) -> WayView:
    names = [wording.runtime_name(name) for name in tries[0].runtimes]
    told = next((one.unreachable for one in tries if one.unreachable and one.chosen), "")
    several = len(names) > 1
    return WayView(
        ", ".join(names),
        tuple(_try(one, number, metric, several) for number, one in enumerate(tries)),
        wording.in_words(told, metric),
    )


def _try(one: SearchTry, number: int, metric: str, several: bool) -> TryView:
    measured = any(not isinstance(limit.observed, Unavailable) for limit in one.limits)
    outcome = "met every limit" if one.meets else "missed a limit" if measured else "not measured"
    return TryView(
        label=f"Plan {number}" if one.plan else "Unpruned",
        note=_note(one) if one.plan else "",
        verdict=f"{outcome}, chosen" if one.chosen else outcome,
        chosen=one.chosen,
        limits=tuple(_charged(limit, metric, several) for limit in one.limits),
    )


def _note(one: SearchTry) -> str:
    kept = "" if isinstance(one.macs, Unavailable) else f"{one.macs:.0%} of the MACs"
    gone = f"without {', '.join(one.blocks)}" if one.blocks else ""
    return "; ".join(part for part in (kept, gone) if part)


def _charged(one: Charged, metric: str, several: bool) -> ChargedView:
    name = wording.limit_name(one.limit, metric)
    return ChargedView(
        name=f"{name}, {wording.runtime_name(one.runtime)}" if several else name,
        predicted=wording.limit_figure(one.limit, one.predicted, metric),
        observed=wording.limit_figure(one.limit, one.observed, metric),
        residual=_residual(one.residual),
        budget=wording.limit_figure(one.limit, one.budget, metric),
        use=None if isinstance(one.bound, Unavailable) else bullet(one.bound, one.budget),
        changed=_changed(one, metric),
    )


def _residual(value: Reading) -> Figure:
    if isinstance(value, Unavailable):
        return Figure(wording.NO_READING, reason=value.unavailable)
    return Figure(f"{100 * value:+.1f}".replace("-", wording.MINUS), "%")


def _changed(one: Charged, metric: str) -> str:
    """How the next plan's charge differs from what this one was held to."""
    if isinstance(one.corrected, Unavailable):
        return ""
    after = wording.limit_figure(one.limit, one.corrected, metric)
    if isinstance(one.charged, Unavailable):
        return f"charged at most {after}"
    before = wording.limit_figure(one.limit, one.charged, metric)
    return f"held to {before}, from here {after}"
