"""report.html: the report as one offline page, without scripts or outside assets."""

from collections.abc import Mapping
from dataclasses import dataclass

import yaml
from jinja2 import Environment, PackageLoader, StrictUndefined
from pydantic import JsonValue

from pipeline.report import front, gates, ladders, plans, sections, view, wording
from pipeline.report.charts import BINS, LIMIT_AT, Processes
from pipeline.report.document import Packaged, Report, Row
from pipeline.report.front import FrontView
from pipeline.report.gates import GateView
from pipeline.report.ladders import LadderView
from pipeline.report.plans import WayView
from pipeline.report.sections import Facts, Pruning, Recovery, Shared
from pipeline.report.view import RowView, RuntimeView


@dataclass(frozen=True)
class Other:
    """A candidate that was not chosen."""

    name: str
    runtime: str
    view: RowView
    sentence: str


@dataclass(frozen=True)
class Page:
    """All that the template shows."""

    recipe: str
    device: str
    status: str
    headline: str
    metric: str
    table_note: str
    runtimes: tuple[RuntimeView, ...]
    prunings: tuple[Shared[Pruning | None], ...]
    recoveries: tuple[Shared[Recovery | None], ...]
    aware: tuple[Shared[Recovery | None], ...]
    ladders: tuple[LadderView, ...]
    findings: tuple[Shared[tuple[str, ...]], ...]
    ways: tuple[WayView, ...]
    fronts: tuple[FrontView, ...]
    gates: tuple[GateView, ...]
    others: tuple[Other, ...]
    lineages: tuple[Shared[tuple[str, ...]], ...]
    conditions: Facts
    failures: tuple[tuple[str, str], ...]
    packages: tuple[tuple[str, Packaged], ...]
    appendices: tuple[tuple[str, str], ...]

    @property
    def has_classes(self) -> bool:
        """Whether any runtime has scores by class."""
        return any(runtime.classes for runtime in self.runtimes)

    @property
    def class_limit(self) -> bool:
        """Whether a class's change is limited."""
        return any(one.classes and one.classes.limit_at is not None for one in self.runtimes)


def render(report: Report, samples: Mapping[str, Processes]) -> str:
    """The page.

    Args:
        report: the document.
        samples: latencies in ms by `samples_path`, an array for each process. A row whose samples
            are not here is shown without its distribution, and the page says so.
    """
    environment = Environment(
        loader=PackageLoader("pipeline.report", "templates"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(limit_at=LIMIT_AT, bins=BINS)
    return environment.get_template("page.html.j2").render(page=arrange(report, samples))


def arrange(report: Report, samples: Mapping[str, Processes]) -> Page:
    """The document as the page orders it."""
    rows = tuple(report.selected().values()) or report.baseline
    metric = wording.metric_of(report)
    return Page(
        recipe=report.recipe,
        device=report.device,
        status=report.verdict,
        headline=headline(report, metric.name),
        metric=metric.name.capitalize(),
        table_note=_table_note(rows),
        runtimes=tuple(view.runtime_view(report, row, samples, metric) for row in rows),
        prunings=sections.prunings(rows),
        recoveries=sections.recoveries(rows, metric),
        aware=sections.trainings(rows, metric),
        ladders=ladders.ladders(rows, metric),
        findings=ladders.findings(rows),
        ways=plans.ways(report),
        fronts=front.fronts(report),
        gates=gates.gates(report),
        others=_others(report),
        lineages=sections.shared(rows, lambda row: row.lineage),
        conditions=sections.conditions(rows),
        failures=_failures(report),
        packages=_packages(report),
        appendices=_appendices(report),
    )


def headline(report: Report, metric: str) -> str:
    """The verdict in words: who meets the budget, or the first reason of each who does not."""
    rows = report.selected()
    if not rows and not report.failures:
        return "No candidate was made."
    others = [row for row in rows.values() if row.verdict is None or row.verdict.status != "PASS"]
    if not others and not report.failures:
        many = "every runtime" if len(rows) > 1 else wording.runtime_name(next(iter(rows)))
        return f"The artifact meets every limit of its budget on {many}."
    refused = [f"{name}: {reason.rstrip('.')}." for name, reason in _failures(report)]
    sentences = refused + [
        f"{wording.runtime_name(one.runtime)}: {wording.sentence(one, metric)}." for one in others
    ]
    met = len(rows) - len(others)
    return " ".join(
        [*sentences, *([f"{met} of {len(rows)} runtimes meet the budget."] if met else [])]
    )


def _table_note(rows: tuple[Row, ...]) -> str:
    provenances = sorted({row.measurement.provenance for row in rows})
    return (
        f"Latency is the median over fresh processes, {' and '.join(provenances)}; peak memory is "
        "the process's above its runtime's import; the worst class is the one that lost the most."
    )


def _others(report: Report) -> tuple[Other, ...]:
    metric, dense = wording.metric_of(report), report.dense()
    return tuple(
        Other(
            row.name,
            wording.runtime_name(row.runtime),
            view.row_view(row.name, row, dense.get(row.runtime), row, metric),
            wording.sentence(row, metric.name),
        )
        for row in report.candidates
        if not row.selected
    )


def _failures(report: Report) -> tuple[tuple[str, str], ...]:
    return tuple((wording.runtime_name(name), why) for name, why in report.failures.items())


def _packages(report: Report) -> tuple[tuple[str, Packaged], ...]:
    packages = (report.package or {}).items()
    return tuple((wording.runtime_name(runtime), package) for runtime, package in packages)


def _appendices(report: Report) -> tuple[tuple[str, str], ...]:
    named: tuple[tuple[str, Mapping[str, JsonValue]], ...] = (
        ("The recipe as it was run", report.settings),
        ("The device's profile", report.profile),
        ("Versions", dict(report.tools)),
    )
    return tuple((title, _as_yaml(facts)) for title, facts in named if facts)


def _as_yaml(facts: Mapping[str, JsonValue]) -> str:
    return yaml.safe_dump(dict(facts), sort_keys=False, allow_unicode=True).rstrip()
