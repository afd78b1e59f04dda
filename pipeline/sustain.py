"""`--sustained MINUTES`: latency over time under load, and a verdict on its last part."""

from dataclasses import asdict
from pathlib import Path
from typing import Any

from rich.table import Table

from pipeline.check import (
    UNDECIDED,
    VERDICT_CODES,
    described,
    print_verdict,
    stated_budget,
)
from pipeline.console import Console
from pipeline.given import NOTHING, Given
from pipeline.printing import print_json
from pipeline.terminal import Terminal
from targets import device as devices
from targets import occupancy
from targets.budget import Budget, Verdict
from targets.errors import UsageError
from targets.measurement import TimingRule
from targets.sustaining import Sustained, sustain
from targets.trial import absolute_only, covering

_ROWS = 20
"""Of the curve as it is printed; JSON has all points."""


def show(
    model: Path,
    device: str,
    minutes: float,
    rule: TimingRule,
    as_json: bool,
    budget: Budget | None = None,
    given: Given = NOTHING,
) -> int:
    """Keeps the device under load and prints the curve; with a budget the code is the verdict's.

    Raises:
        UsageError: minutes that are none, or a limit in percent of dense.
        ArtifactError: the file is no model that its runtime can load.
    """
    absolute_only(budget or Budget())
    with Console() as console, occupancy.occupied(devices.load(device).seat, console.remark):
        target, description = described(model, device, console, given)
        console.step(f"{minutes:g} minutes of {model.name} on {device} with {target.runtime}")
        rule = covering(rule, budget or Budget())
        found = sustain(target, description.artifact, minutes, rule, console.progress)
    verdict = found.verdict(budget, rule) if budget else None
    _print(_document(model, device, minutes, found, verdict), found, verdict, as_json)
    return VERDICT_CODES.get(verdict.status, UNDECIDED) if verdict else 0


def check(
    model: Path,
    device: str,
    minutes: float,
    rule: TimingRule,
    as_json: bool,
    limits: tuple[str, ...],
    budget: Path | None,
    given: Given = NOTHING,
) -> int:
    """Judges the last part by limits. Raises UsageError also where none is stated."""
    stated = stated_budget(limits, budget)
    judged_by = stated if stated.limits() else devices.load(device).budget
    if not judged_by.limits():
        raise UsageError(
            "check needs a limit to judge by: --limit latency_ms.p95=8 or --budget FILE"
        )
    return show(model, device, minutes, rule, as_json, judged_by, given)


def _document(
    model: Path, device: str, minutes: float, found: Sustained, verdict: Verdict | None
) -> dict[str, Any]:
    told = {"verdict": asdict(verdict)} if verdict else {}
    return {
        "model": str(model),
        "device": device,
        "sustained": {
            "minutes": minutes,
            "change": found.change(),
            "last_processes": len(found.last),
            "curve": [asdict(point) for point in found.curve],
        },
        **told,
    }


def _print(
    document: dict[str, Any], found: Sustained, verdict: Verdict | None, as_json: bool
) -> None:
    if as_json:
        print_json(document)
        return
    console = Terminal()
    curve = Table("from", "p50", "p95", "clock held down", box=None, pad_edge=False)
    for point in found.curve[:: -(-len(found.curve) // _ROWS)]:
        numbers = f"{point.p50_ms:.4g} ms", f"{point.p95_ms:.4g} ms"
        curve.add_row(f"{point.at_s / 60:.1f} min", *numbers, point.throttling)
    console.print(curve)
    console.print(f"p50 of the last part against the first minute: {found.change():+.1%}")
    if verdict:
        print_verdict(verdict, console)
