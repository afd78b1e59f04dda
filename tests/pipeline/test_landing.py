"""Landing a plan in a small made-up world: a table that is off, a machine that is slower."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.landing import Landing, Planned, land
from pipeline.prune import GroupPlan, PrunePlan
from pipeline.prune.limits import Charge, Legal, Term
from pipeline.prune.settings import Settings
from pipeline.search import Goal, Reading, Tried

LEGAL = Legal({"a": (8, 16, 24, 32), "b": (16, 32, 48, 64)})
WHOLE = {"a": 32, "b": 64}


def table(limit: str, floor: float, *shares: float) -> Charge:
    """A cost of 1 for the whole model: `floor` for an empty one, a staircase for each group."""
    terms = tuple(
        Term((name,), share * np.array(widths) / widths[-1])
        for (name, widths), share in zip(LEGAL.widths.items(), shares, strict=True)
    )
    return Charge(limit, 0.0, floor, terms)


def planned(widths: Mapping[str, int], **facts) -> Planned:
    groups = tuple(
        GroupPlan(
            name=name, size=size, removed=tuple(range(widths[name], size)), parameters=(name,)
        )
        for name, size in WHOLE.items()
    )
    plan = PrunePlan(
        settings=Settings(ratio=0.0), groups=groups, pinned=(),
        macs_dense=1, macs_kept=1, parameters_dense=1, parameters_kept=1, macs_pinned=0,
    )  # fmt: skip
    return Planned(plan, **facts)


@dataclass
class World:
    """Plans by trying all widths; a machine that takes `slower` times, and `more`, of a table."""

    charges: Mapping[Goal, Charge]
    slower: float = 1.0
    more: float = 0.0
    scatter: float = 1.0
    asked: list[Mapping[Goal, float]] = field(default_factory=list)
    weighed: list[str] = field(default_factory=list)

    def plan(self, most: Mapping[Goal, float]) -> Planned:
        self.asked.append(most)
        ways = [dict(zip(WHOLE, widths, strict=True)) for widths in product(*LEGAL.widths.values())]
        within = [way for way in ways if self.over(way, most) <= 1]
        told = "" if within else "latency can't be met"
        chosen = (
            min(within, key=self.loss) if within else min(ways, key=lambda w: self.over(w, most))
        )
        predicted = {goal: one.of(LEGAL, chosen) for goal, one in self.charges.items()}
        return planned(chosen, divergence=self.loss(chosen), predicted=predicted, unreachable=told)

    def weigh(self, planned: Planned) -> tuple[Reading, ...]:
        self.weighed.append(planned.name)
        return self.readings(planned.predicted)

    def readings(self, predicted: Mapping[Goal, float]) -> tuple[Reading, ...]:
        found = {
            goal: self.slower * value + (self.more if "latency" in goal.limit else 0.0)
            for goal, value in predicted.items()
        }
        return tuple(
            Reading(goal, predicted[goal], value, value * self.scatter)
            for goal, value in found.items()
        )

    def unpruned(self) -> Tried:
        return Tried(
            "", 0.0, self.readings({g: c.of(LEGAL, WHOLE) for g, c in self.charges.items()})
        )

    def over(self, way: Mapping[str, int], most: Mapping[Goal, float]) -> float:
        return max(self.charges[goal].of(LEGAL, way) / limit for goal, limit in most.items())

    def loss(self, way: Mapping[str, int]) -> float:
        return sum((1 - way[name] / size) ** 2 for name, size in WHOLE.items())


def landed(world: World, known=()) -> tuple[Landing, list[str]]:
    told: list[str] = []
    goals = tuple(world.charges)
    return land(world, goals, world.unpruned(), told.append, known), told


def latency(budget: float, runtime: str = "tflite") -> Goal:
    return Goal(runtime, "latency_ms.p50", budget)


@given(st.floats(0.8, 1.3), st.floats(0.35, 0.9), st.floats(-0.03, 0.05))
def test_a_plan_is_found_within_two_measurements(slower, budget, more):
    goal = latency(budget)
    world = World({goal: table(goal.limit, 0.1, 0.5, 0.4)}, slower, more * budget)
    found, _ = landed(world)
    assert len(world.weighed) <= 2
    chosen = next((one for one in found.tried if one.plan == found.name), None)
    if chosen is not None and not found.unreachable:
        assert chosen.meets
        better = [one for one in found.tried if one.meets and one.divergence < chosen.divergence]
        assert not better


def test_each_measurement_says_what_it_taught():
    goal = latency(0.6)
    world = World({goal: table(goal.limit, 0.1, 0.5, 0.4)}, more=0.05)
    found, told = landed(world)
    assert found.chosen is not None
    assert any("predicted" in line and "measured" in line and "%" in line for line in told)
    assert [len(one) for one in found.charged] == [0] + [1] * (len(found.tried) - 1)


def test_what_can_not_be_reached_is_measured_and_then_said():
    goal = latency(0.05)
    world = World({goal: table(goal.limit, 0.1, 0.5, 0.4)})
    found, told = landed(world)
    assert found.unreachable.startswith("latency can't be met; measured, the nearest plan takes")
    assert found.chosen is not None
    assert found.chosen.plan.groups[0].kept == 8
    assert len(world.weighed) == 1
    assert any("can't be met" in line for line in told)


def test_a_table_that_is_too_dear_does_not_forbid_what_the_machine_can_do():
    """The table's floor is above the limit; the machine is faster than its table."""
    goal = latency(0.25)
    world = World({goal: table(goal.limit, 0.1, 0.5, 0.4)}, more=-0.14)
    world.charges = {goal: table(goal.limit, 0.15, 0.5, 0.4)}
    found, _ = landed(world)
    assert found.unreachable == ""
    assert next(one for one in found.tried if one.plan == found.name).meets


def test_one_plan_for_two_runtimes_meets_both():
    fast, slow = latency(0.5, "openvino"), latency(0.5, "tflite")
    world = World({fast: table(fast.limit, 0.0, 0.9, 0.1), slow: table(slow.limit, 0.0, 0.1, 0.9)})
    found, _ = landed(world)
    assert found.runtimes == ("openvino", "tflite")
    chosen = next(one for one in found.tried if one.plan == found.name)
    assert len(chosen.readings) == 2
    assert chosen.meets
    alone, _ = landed(World({fast: table(fast.limit, 0.0, 0.9, 0.1)}))
    assert alone.chosen.divergence < found.chosen.divergence, "each alone loses less"


def test_sizes_and_latencies_are_met_together():
    goal, size = latency(0.7), Goal("tflite", "size_kb", 0.55)
    tables = {goal: table(goal.limit, 0.1, 0.5, 0.4), size: table(size.limit, 0.1, 0.2, 0.7)}
    found, _ = landed(World(tables))
    chosen = next(one for one in found.tried if one.plan == found.name)
    assert chosen.meets
    assert chosen.excess == pytest.approx(max(one.excess for one in chosen.readings))


def test_a_plan_of_another_budget_serves_where_it_meets_at_a_lesser_loss():
    wide, tight = latency(0.62), latency(0.6)
    first, _ = landed(World({wide: table(wide.limit, 0.1, 0.5, 0.4)}))
    world = World({tight: table(tight.limit, 0.1, 0.5, 0.4)}, scatter=1.02)
    alone, _ = landed(world)
    with_known, _ = landed(World(world.charges, scatter=1.02), known=[first])
    assert with_known.chosen.divergence <= alone.chosen.divergence
    assert with_known.plans[with_known.name] == with_known.chosen


def test_nothing_is_planned_where_the_unpruned_model_meets():
    goal = latency(1.2)
    found, _ = landed(World({goal: table(goal.limit, 0.1, 0.5, 0.4)}))
    assert found.chosen is None
    assert found.name == ""
