"""Bringing a plan to its limits: planned, exported as it will be deployed, measured, corrected.

Nothing is trained here. What plans and what measures is handed in, so that the way to a plan can
be told, tested and replayed without a device.
"""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol

from pipeline.prune import PrunePlan
from pipeline.search import (
    Goal,
    Reading,
    Tried,
    best,
    charges,
    nearest,
    next_charges,
)

Tell = Callable[[str], None]


@dataclass(frozen=True)
class Planned:
    """A plan, and what is expected of it before anything is measured.

    Attributes:
        plan: what goes and what stays.
        divergence: of the outputs from the dense ones, summed over what goes, in nats.
        predicted: per limit, what its cost model says.
        unreachable: where no plan keeps within the charges, why; this one comes nearest to them.
    """

    plan: PrunePlan
    divergence: float
    predicted: Mapping[Goal, float]
    unreachable: str = ""

    @property
    def name(self) -> str:
        """What the plan is known by: equal where the same channels and blocks go."""
        blocks = [one.name for one in self.plan.blocks if one.removed]
        text = json.dumps([self.plan.removed(), blocks], sort_keys=True)
        return hashlib.sha256(text.encode()).hexdigest()[:12]


class Bench(Protocol):
    """What a landing needs of the world."""

    def plan(self, most: Mapping[Goal, float]) -> Planned:
        """The plan of least divergence whose charges stay within `most`, or the nearest to it."""

    def weigh(self, planned: Planned) -> tuple[Reading, ...]:
        """Every limit that can be read, of the whole model, exported and not yet recovered."""


@dataclass(frozen=True)
class Landing:
    """The way to a plan for some runtimes.

    Attributes:
        runtimes: those that the plan is for.
        tried: what was measured, in order, the unpruned model first.
        charged: what each was held to when it was planned; nothing for the unpruned model.
        chosen: the plan to go on with; None: nothing is pruned.
        unreachable: why no plan meets the limits, where none does.
        plans: all plans that were made, by name.
    """

    runtimes: tuple[str, ...]
    tried: tuple[Tried, ...]
    charged: tuple[Mapping[Goal, float], ...]
    chosen: Planned | None
    unreachable: str = ""
    plans: Mapping[str, Planned] = field(default_factory=dict)

    @property
    def name(self) -> str:
        """The name of the chosen plan; "" for the unpruned model."""
        return self.chosen.name if self.chosen else ""


def land(
    bench: Bench,
    goals: Sequence[Goal],
    unpruned: Tried,
    tell: Tell,
    known: Sequence[Landing] = (),
) -> Landing:
    """The plan that meets the goals at the least divergence, within two whole-model measurements.

    Args:
        bench: plans and measures.
        goals: the limits on cost, of all runtimes that the plan is for.
        unpruned: the unpruned model as measured.
        tell: hears what each measurement taught.
        known: landings for other budgets: a plan that was measured for one of them is taken where
            it meets these goals at a lesser divergence.
    """
    tried, charged = [unpruned], [dict[Goal, float]()]
    plans: dict[str, Planned] = {}
    while (most := next_charges(goals, tried)) is not None:
        planned = bench.plan(most)
        if planned.name in plans:
            tell("the plan is the same again: the next legal width is over a limit")
            break
        plans[planned.name] = planned
        if planned.unreachable:
            tell(f"{planned.unreachable}; the nearest plan is measured before that is believed")
        readings = bench.weigh(planned)
        tried.append(Tried(planned.name, planned.divergence, readings, planned.unreachable))
        charged.append(dict(most))
        _teach(readings, charged[-1], charges(goals, tried), tell)
    way = Landing(_runtimes(goals), tuple(tried), tuple(charged), None, plans=plans)
    return _decided(bench, goals, way, tell, known)


def _runtimes(goals: Sequence[Goal]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(goal.runtime for goal in goals))


def _decided(
    bench: Bench, goals: Sequence[Goal], way: Landing, tell: Tell, known: Sequence[Landing]
) -> Landing:
    """The way with its end: the best that fits, else what the last residual says will fit, else
    the nearest."""
    plans = {**{name: one for other in known for name, one in other.plans.items()}, **way.plans}
    elsewhere = [one.against(goals) for other in known for one in other.tried if one.plan]
    found = best([*way.tried, *(one for one in elsewhere if len(one.readings) == len(goals))])
    if found is not None:
        return _ending(way, plans, plans.get(found.plan))
    last = way.tried[-1]
    if not last.unreachable:
        planned = bench.plan(charges(goals, way.tried))
        plans[planned.name] = planned
        if not planned.unreachable:
            tell("neither met every limit: the plan that the last residual asks for is taken")
            return _ending(way, plans, planned)
        tell(f"with what was learned, {planned.unreachable}")
        return _ending(way, plans, planned, planned.unreachable)
    near = nearest(way.tried)
    told = f"{last.unreachable}; measured, the nearest plan takes {_found(near)}"
    tell(told)
    return _ending(way, plans, plans.get(near.plan), told)


def _found(tried: Tried) -> str:
    """What was measured of the limits that were missed."""
    missed = [one for one in tried.readings if not one.meets]
    return ", ".join(
        f"{one.observed:.4g} (slowest process {one.bound:.4g}) of {one.goal.name}" for one in missed
    )


def _ending(
    way: Landing, plans: Mapping[str, Planned], chosen: Planned | None, unreachable: str = ""
) -> Landing:
    return Landing(way.runtimes, way.tried, way.charged, chosen, unreachable, plans)


def _teach(
    readings: Sequence[Reading],
    held: Mapping[Goal, float],
    corrected: Mapping[Goal, float],
    tell: Tell,
) -> None:
    for one in readings:
        tell(lesson(one, held[one.goal], corrected[one.goal]))


def lesson(reading: Reading, held: float, corrected: float) -> str:
    """What a measurement taught of one limit, in a line."""
    within = reading.bound <= reading.goal.budget
    verdict = "met" if reading.meets else "within the scatter of" if within else "missed"
    return (
        f"{reading.goal.name}: predicted {reading.predicted:.4g}, measured {reading.observed:.4g} "
        f"({reading.residual:+.1%}), slowest {reading.bound:.4g}: {verdict} the limit of "
        f"{reading.goal.budget:.4g}; its charge goes from {held:.4g} to {corrected:.4g}"
    )
