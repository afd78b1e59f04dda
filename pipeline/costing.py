"""What a run's plans are charged, and what they lose: measured once, asked for every plan.

The charges are those of each runtime's cost table (pipeline/cost), measured on first use and kept
for the next run; where there can be none, the model's work stands in, and the run says so. What
plans lose is told by the dense model's sensitivity and by the divergence of its blocks.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline import losing, pruning, tables
from pipeline.cost.costs import Costs
from pipeline.cost.sites import Model
from pipeline.desk import Desk
from pipeline.landing import Planned
from pipeline.prune.limits import Charge, Legal
from pipeline.prune.unreachable import Unreachable
from pipeline.prune.widths import allowed_widths
from pipeline.prune.within import Within, best_within
from pipeline.recipe import Prune
from pipeline.recipe_steps import MULTIPLE
from pipeline.results import Made
from pipeline.search import Goal
from pipeline.standin import stand_in
from pipeline.tables import Kept
from targets.errors import EdgesmithError, UsageError
from targets.limit import LATENCY_LIMITS

_LEEWAY = 1e-9  # of a limit that is raised to what can just be reached
_RAISES = 3  # of each limit: raising one may put another out of reach


@dataclass(frozen=True)
class Costing:
    """What plans for some runtimes are charged.

    Attributes:
        legal: the widths that each group may have.
        charges: per limit what it is charged: several where several moments can be the peak.
        steps: the folders that the charges came from, as a plan's key.
        losses: what widths and blocks lose.
    """

    legal: Legal
    charges: Mapping[Goal, tuple[Charge, ...]]
    steps: tuple[str, ...]
    losses: losing.Losses

    def predicted(self, widths: Mapping[str, int], blocks: Iterable[str] = ()) -> dict[Goal, float]:
        """Per limit what a model of these widths and without these blocks takes."""
        gone = tuple(blocks)
        return {
            goal: max(one.of(self.legal, widths, gone) for one in own)
            for goal, own in self.charges.items()
        }

    def held(self, most: Mapping[Goal, float]) -> tuple[Charge, ...]:
        """All charges at these limits, each by a name of its own."""
        return tuple(
            replace(one, limit=f"{goal.name} ({place})" if place else goal.name, most=most[goal])
            for goal, own in self.charges.items()
            for place, one in enumerate(own)
        )


def learn(desk: Desk, dense: Made, settings: Prune, whole: Mapping[Goal, float]) -> Costing:
    """The charges and losses of a run's plans, from what was measured before or now.

    Args:
        desk: what the run works with.
        dense: the baseline.
        settings: the prune step.
        whole: per limit what the unpruned model took.
    """
    runtimes = tuple(dict.fromkeys(goal.runtime for goal in whole))
    kept = {runtime: tables.of(desk, dense, runtime) for runtime in runtimes}
    losses = losing.measured(desk, dense.folder, settings)
    legal = _legal(settings, [one.table.legal for one in kept.values() if one.table], losses.model)
    charges: dict[Goal, tuple[Charge, ...]] = {}
    for runtime, one in kept.items():
        own = {goal: value for goal, value in whole.items() if goal.runtime == runtime}
        charges |= _charges(desk, one, legal, own, losses.model)
    steps = tuple(one.step for one in kept.values())
    return Costing(legal, charges, (*steps, *losses.steps), losses)


def _legal(settings: Prune, tables: Sequence[Mapping[str, tuple[int, ...]]], model: Model) -> Legal:
    """The widths that any of the tables has; where there is none, those of a grid."""
    of_grid = {name: allowed_widths(size, settings.multiple) for name, size in model.groups.items()}
    found: dict[str, tuple[int, ...]] = {}
    for name, size in model.groups.items():
        widths = {width for own in tables or [of_grid] for width in own[name]}
        if settings.multiple != MULTIPLE:
            widths &= set(of_grid[name])
        if settings.granularity == "block":
            widths = set()
        found[name] = tuple(sorted({*widths, size}))
    return Legal(found)


def _charges(
    desk: Desk, kept: Kept, legal: Legal, whole: Mapping[Goal, float], model: Model
) -> dict[Goal, tuple[Charge, ...]]:
    """One runtime's charges. What can't be planned by is told, and judged at the end alone."""
    if kept.table is None:
        precision = desk.quantize.scheme if desk.quantize else "fp32"
        taken = {goal.limit: value for goal, value in whole.items()}
        made = stand_in(model, legal, taken, precision)
        found = {goal: tuple(one for one in made if one.limit == goal.limit) for goal in whole}
    else:
        costs = Costs(kept.table.model_copy(update={"legal": dict(legal.widths)}))
        found = {goal: _of_table(desk, costs, goal) for goal in whole}
    return {goal: own for goal, own in found.items() if own}


def _of_table(desk: Desk, costs: Costs, goal: Goal) -> tuple[Charge, ...]:
    """A quantile that the table does not know is charged as the median is: what the unpruned model
    takes of it corrects that by the same factor for every plan."""
    try:
        return costs.charges({goal.limit: goal.aim})
    except UsageError as error:
        if goal.limit in LATENCY_LIMITS:
            desk.console.remark(f"{goal.name}: charged as the median is, and corrected")
            return costs.charges({"latency_ms.p50": goal.aim})
        desk.console.remark(f"{goal.name}: {error}; it is judged at the end alone")
        return ()


def plan(desk: Desk, settings: Prune, costing: Costing, most: Mapping[Goal, float]) -> Planned:
    """The plan of the least divergence within these charges. Where there is none, the one that
    comes nearest: each limit that can't be met is raised to the least that can.

    Args:
        desk: what the run works with.
        settings: the prune step.
        costing: charges and losses.
        most: per limit, the most to be charged.
    """
    charges = list(costing.held(most))
    owners = [goal for goal, own in costing.charges.items() for _ in own]
    told: dict[Goal, str] = {}
    for _ in range(_RAISES * len(charges) + 1):
        try:
            found = _within(desk, settings, costing, charges)
        except Unreachable as error:
            place = next(n for n, one in enumerate(charges) if one.limit == error.limit)
            told.setdefault(owners[place], _told(owners[place], most[owners[place]], error))
            leeway = _LEEWAY * max(abs(error.least), 1.0)
            charges[place] = replace(charges[place], most=error.least + leeway)
            continue
        predicted = costing.predicted(found.widths, found.blocks)
        return Planned(found.plan, found.loss, predicted, "; ".join(told.values()))
    raise EdgesmithError(
        f"planning: limits were raised and still not met: {', '.join(told.values())}"
    )


def _told(goal: Goal, most: float, error: Unreachable) -> str:
    """What can't be met, the least that can in the terms of the limit, and what stands in the way;
    parts are in the terms of what is charged."""
    beside = f" where {', '.join(error.beside)} are met" if error.beside else ""
    fixed = [f"{error.constant:.4g} that stays whatever goes"] if error.constant > 0 else []
    return (
        f"{goal.name}: the limit of {goal.budget:.4g} can't be met; no plan is predicted below "
        f"{goal.observed(error.least, most):.4g}{beside}; in the way are "
        f"{'; '.join([*fixed, *error.obstacles])}"
    )


def _within(desk: Desk, settings: Prune, costing: Costing, charges: Sequence[Charge]) -> Within:
    return best_within(
        desk.dense,
        charges=charges,
        legal=costing.legal,
        sensitivity=costing.losses.sensitivity,
        blocks=costing.losses.blocks,
        importance=settings.importance,
        data=pruning.data_of(desk) if settings.importance in pruning.OBSERVED_ON_DATA else None,
        keep=settings.keep,
        bounds=settings.bounds,
        scores=costing.losses.scores,
    )
