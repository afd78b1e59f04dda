"""The digits recipe, dense against final: the issue's targets, and the table that README shows."""

import argparse
import json
import sys
from pathlib import Path

from pipeline.report import storage
from pipeline.report.document import Report, Row

ROOT = Path(__file__).parent.parent


def main() -> int:
    """Runs or resumes the recipe and prints its table, or rows. 3 where a target is missed."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--out", type=Path, default=Path("runs/digits"))
    parser.add_argument("--json", action="store_true", help="a row per target")
    parser.add_argument("--quick", action="store_true", help="read a finished run's report")
    asked = parser.parse_args()
    if not asked.quick:
        from pipeline import optimize

        optimize(ROOT / "recipes" / "digits", out=asked.out)
    report = storage.read(asked.out)
    rows = [row for runtime in report.selected() for row in targets(report, runtime)]
    if asked.json:
        print(json.dumps(rows, indent=2))
    else:
        print(markdown(report))
    return 0 if all(row["met"] for row in rows) else 3


def targets(report: Report, runtime: str) -> list[dict[str, object]]:
    """What the recipe promises, and what was observed."""
    dense, final = report.dense()[runtime], report.selected()[runtime]
    smaller = dense.artifact.size_bytes / final.artifact.size_bytes
    faster = p(dense, "p50") / p(final, "p50")
    drop = dense.metrics["accuracy"] - final.metrics["accuracy"]
    rows = [
        ("verdict", "PASS", final.verdict.status, final.verdict.status == "PASS"),
        ("times smaller than dense", ">= 3", smaller, smaller >= 3),
        ("p50, times faster than dense", "> 1", faster, faster > 1),
        ("accuracy drop", "<= 0.01", drop, drop <= 0.01),
    ]
    keys = ("name", "target", "observed", "met")
    return [dict(zip(keys, (f"{runtime}: {row[0]}", *row[1:]), strict=True)) for row in rows]


def markdown(report: Report) -> str:
    """The table, a line per runtime and model, and the conditions beneath it."""
    lines = [
        "| runtime | model | p50 ms | p95 ms | peak memory MB | size kB | accuracy | worst class "
        "| verdict |",
        "|---|---|---|---|---|---|---|---|---|",
    ]
    for runtime, final in report.selected().items():
        dense = report.dense()[runtime]
        lines += [line(runtime, "dense fp32", dense, ""), line("", "final", final, status(final))]
    conditions = next(iter(report.selected().values())).measurement.conditions
    told = ", ".join(f"{key}: {conditions[key]}" for key in ("cpu", "threads") if key in conditions)
    return "\n".join([*lines, "", told])


def status(row: Row) -> str:
    """The verdict's status."""
    return row.verdict.status if row.verdict else ""


def p(row: Row, quantile: str) -> float:
    """A latency of a row in ms."""
    value = getattr(row.measurement.latency_ms, quantile)
    if not isinstance(value, float):
        raise SystemExit(f"{row.name} on {row.runtime}: {quantile} is {value}")
    return value


def line(runtime: str, model: str, row: Row, verdict: str) -> str:
    """One row as Markdown."""
    memory = row.measurement.peak_memory_mb
    told = f"{memory:.1f}" if isinstance(memory, float) else "unavailable"
    accuracy = f"{row.metrics['accuracy']:.1%}"
    worst = f"{min(row.per_class.values()):.1%}"
    size = row.artifact.size_bytes / 1000
    return (
        f"| {runtime} | {model} | {p(row, 'p50'):.3f} | {p(row, 'p95'):.3f} | {told} "
        f"| {size:.0f} | {accuracy} | {worst} | {verdict} |"
    )


if __name__ == "__main__":
    sys.exit(main())
