"""A sweep: the whole way to a budget at several values of one limit, for a front of candidates.

Table, importance and sensitivities are the same at every point, and plans that were measured for
one point serve another where they are better.
"""

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline import budgeting
from pipeline.desk import Desk
from pipeline.recipe import Prune
from pipeline.results import Made, Point, Results
from targets.errors import UsageError
from targets.limit import LIMITS, METRIC_LIMITS, Relative, limit_named

GRAMMAR = (
    "--sweep LIMIT=FROM..TO:COUNT, such as latency_ms.p95=0.2..1.0:5 or, of the dense model's, "
    "size_kb=20%..60%:3"
)
SWEPT = tuple(name for name in LIMITS if name not in METRIC_LIMITS)
MOST_POINTS = 50
_NUMBER = r"([0-9]*\.?[0-9]+(?:[eE][+-]?[0-9]+)?)"
_TEXT = re.compile(rf"\s*([\w.]+)\s*=\s*{_NUMBER}(%?)\.\.{_NUMBER}(%?)\s*:\s*([0-9]+)\s*", re.ASCII)


@dataclass(frozen=True)
class Sweep:
    """A limit and the values that it takes, the loosest first."""

    limit: str
    values: tuple[float | Relative, ...]

    @classmethod
    def read(cls, text: str) -> "Sweep":
        """A sweep as the command line writes it. Raises UsageError with the grammar."""
        match = _TEXT.fullmatch(text)
        if match is None:
            raise UsageError(f"sweep '{text}' can't be read; allowed: {GRAMMAR}")
        name, first, unit, last, other, count = match.groups()
        if limit_named(name) not in SWEPT:
            raise UsageError(f"sweep: '{name}' is no limit on cost; allowed: {', '.join(SWEPT)}")
        low, high = sorted((float(first), float(last)))
        if unit != other or not 0 < low < high < math.inf or not 2 <= int(count) <= MOST_POINTS:
            raise UsageError(
                f"sweep '{text}': the ends must be two finite numbers above 0, both in percent or "
                f"neither, with 2 to {MOST_POINTS} points; allowed: {GRAMMAR}"
            )
        step = (high - low) / (int(count) - 1)
        values = [float(f"{high - step * place:.6g}") for place in range(int(count))]
        return cls(name, tuple(Relative(one) if unit else one for one in values))


def check(settings: Prune | None, sweep: Sweep | None) -> None:
    """Raise UsageError for a sweep of a recipe that does not prune to its budget."""
    if sweep is not None and (settings is None or settings.to is None):
        raise UsageError(
            "sweep: the recipe does not prune to its budget; "
            "allowed: with a step `- prune: {to: budget}`"
        )


def run(desk: Desk, dense: Made, settings: Prune, sweep: Sweep) -> Results:
    """Meets the budget at every value of the sweep, the loosest first."""
    found: list[Results] = []
    points: list[Point] = []
    for number, value in enumerate(sweep.values, 1):
        told = stated(value)
        desk.console.step(f"sweep: {sweep.limit} {told} ({number} of {len(sweep.values)})")
        prefix = f"{sweep.limit}-{told}-".replace("% of dense", "pct").replace("_", "-")
        known = [landing for one in found for landing in one.landings]
        at = _at(desk, sweep, value)
        found.append(budgeting.meet(at, dense, settings, known, prefix))
        points.append(Point(sweep.limit, told, found[-1].selected))
    judged = tuple(judged for one in found for judged in one.judged)
    landings = tuple(landing for one in found for landing in one.landings)
    refused = {runtime: why for one in found for runtime, why in one.refused.items()}
    return Results(dense, judged, landings, refused, tuple(points), tightest(points))


def stated(value: float | Relative) -> str:
    """A value as it was asked for."""
    return str(value) if isinstance(value, Relative) else f"{value:g}"


def _at(desk: Desk, sweep: Sweep, value: float | Relative) -> Desk:
    """The desk with the recipe's budget at a value of the sweep."""
    recipe = desk.loaded.recipe
    budget = recipe.budget.with_limits({sweep.limit: value})
    changed = recipe.model_copy(update={"budget": budget})
    return replace(desk, loaded=replace(desk.loaded, recipe=changed))


def tightest(points: Sequence[Point]) -> dict[str, str]:
    """Per runtime the candidate of the tightest value that holds every limit, if any does."""
    return {
        runtime: one.made.name
        for point in points
        for runtime, one in point.selected.items()
        if one.trials[runtime].verdict.status == "PASS"
    }
