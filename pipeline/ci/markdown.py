"""Markdown for a job's summary: the verdict on each device, its limits, and what was measured."""

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pipeline.fleet import Outcome
from pipeline.package.markdown import plain
from targets.budget import Line
from targets.errors import EdgesmithError

UNAVAILABLE = "unavailable"
READINGS = {"peak memory, MB": "peak_memory_mb", "load, ms": "load_ms"}


def markdown(model: Path, outcomes: Sequence[Outcome]) -> str:
    """The summary. Text that came from outside is escaped."""
    parts = [f"## edgesmith check: {plain(str(model))}"]
    parts += [part for outcome in outcomes for part in _device(outcome)]
    return "\n\n".join(parts) + "\n"


def _device(outcome: Outcome) -> Iterator[str]:
    found = outcome.found
    if isinstance(found, EdgesmithError):
        yield f"### {plain(outcome.device)}: not checked"
        yield plain(str(found))
        return
    document = found.document
    yield f"### {plain(outcome.device)}, {plain(document['runtime'])}: {found.verdict.status}"
    titles = ("limit", "budget", "observed", "bound", "status", "why")
    yield _table(titles, [_line(line) for line in found.verdict.lines])
    if "baseline" in document:
        yield _baseline(document["baseline"])
    yield _table(("reading", "value"), _readings(document))
    if found.findings:
        rows = [(plain(one.found), plain(one.cure)) for one in found.findings]
        yield _table(("why it is slow", "what to do"), rows)
    if document["notes"]:
        yield "\n".join(f"- {plain(note)}" for note in document["notes"])


def _line(line: Line) -> tuple[str, ...]:
    budget, observed, bound = map(_figure, (line.budget, line.observed, line.bound))
    stated = f" ({plain(line.stated)})" if "%" in line.stated else ""
    return plain(line.limit), budget + stated, observed, bound, line.status, plain(line.reason)


def _baseline(told: Mapping[str, Any]) -> str:
    """Which artifact the regression lines compare with."""
    name = f"{plain(told['candidate'])} of {plain(told['run'])}"
    notes = "".join(f" {plain(note)}." for note in told["notes"])
    return f"Baseline: {name}, sha256 `{told['sha256'][:12]}`.{notes}"


def _readings(document: Mapping[str, Any]) -> list[tuple[str, ...]]:
    measured = document["measurement"]
    rows = [(f"latency {name}, ms", one) for name, one in measured["latency_ms"].items()]
    rows += [(name, measured[key]) for name, key in READINGS.items()]
    rows.append(("size, kB", document["artifact"]["size_bytes"] / 1000))
    return [(name, _figure(one)) for name, one in rows]


def _figure(value: float | str | None) -> str:
    if value is None:
        return UNAVAILABLE
    return plain(value) if isinstance(value, str) else f"{value:.4g}"


def _table(titles: tuple[str, ...], rows: Sequence[tuple[str, ...]]) -> str:
    ruled = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)
