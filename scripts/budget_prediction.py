"""The table: what it takes, how fast it plans, and how well it predicts models it never saw."""

import time
from collections.abc import Iterator, Sequence
from functools import partial

from budget_desk import Asked, Bench, bench_of, losses_of, probing_of, recipe_desk
from budget_store import Fact, Key, Row, Store, row, told

from pipeline.cost.building import kept_table
from pipeline.cost.design import draw
from pipeline.cost.making import planned
from pipeline.graph.groups import survey
from pipeline.prune import PrunePlan, plan_blocks, without_blocks
from pipeline.prune.within import best_within
from targets.measurement import order_statistic

PLANS, QUICK_PLANS = 20, 4
TIMES = (1, 2)
SEED = 6_700_417  # none that a table draws by
LONGEST_TABLE_S, LONGEST_PLANNING_S, LONGEST_REOPENING_S = 300, 10, 10
WITHIN = ((0.05, 0.85), (0.10, 0.95))
"""Beyond the machine's own repeat difference: how near, and how many of the plans."""


def collect(asked: Asked, store: Store) -> None:
    """Everything that is not known yet: a table, and its plans one after the other, twice."""
    for runtime, precision in asked.pairs():
        if all(store.known(*key) for key in _keys(asked, runtime, precision)):
            continue
        with recipe_desk(asked, runtime, precision) as desk:
            _collect(bench_of(desk, runtime), asked, store, precision)


def _keys(asked: Asked, runtime: str, precision: str) -> list[Key]:
    numbers = range(QUICK_PLANS if asked.quick else PLANS)
    plans: list[Key] = [
        ("prediction", runtime, precision, number, time_) for time_ in TIMES for number in numbers
    ]
    parts = ("table", "reopened") if asked.quick else ("table", "reopened", "planning")
    return [*((part, runtime, precision) for part in parts), *plans]


def _collect(bench: Bench, asked: Asked, store: Store, precision: str) -> None:
    works = {
        "table": partial(_table, bench),
        "reopened": partial(_reopened, bench),
        "planning": partial(_planning, bench),
    }
    for key in _keys(asked, bench.runtime, precision):
        if key[0] == "prediction":
            store.find(key, partial(_prediction, bench, int(key[3])))
        else:
            store.find(key, works[str(key[0])])


def _table(bench: Bench) -> Fact:
    error = bench.costs.own_error()
    return {
        "seconds": round(bench.table.seconds, 1),
        "ended": bench.table.ended,
        "probes": len(bench.table.measured()),
        "declined": len(bench.table.declined()),
        "own_error_p90": round(error.p90, 4) if error else None,
    }


def _reopened(bench: Bench) -> Fact:
    """A second run with the same device: the saved table, and nothing probed."""
    began = time.monotonic()
    probing = probing_of(bench.desk, bench.runtime)
    found = kept_table(probing.folder, probing.key)
    seconds = time.monotonic() - began
    return {"seconds": round(seconds, 2), "same": found == bench.table}


def _planning(bench: Bench) -> Fact:
    """Half the reference's p50. What divergences take to measure is no part of planning."""
    losses = losses_of(bench)
    costs = bench.costs
    began = time.monotonic()
    found = best_within(
        bench.desk.dense,
        charges=costs.charges({"latency_ms.p50": 0.5 * bench.table.reference_ms}),
        legal=costs.legal(),
        sensitivity=losses.sensitivity,
        blocks=losses.blocks,
    )
    seconds = time.monotonic() - began
    return {"seconds": round(seconds, 2), "gap": found.gap, "without": list(found.blocks)}


def drawn(bench: Bench, number: int) -> PrunePlan:
    """A plan at random: blocks first, then a width for every group that is left."""
    design = draw(number + 1, bench.removable, SEED)
    going = plan_blocks(bench.blocks, names=design.blocks) if design.blocks else ()
    rest = survey(without_blocks(bench.desk.dense, going))
    sizes = dict(zip(rest.names, map(len, rest.members), strict=True))
    return planned(bench.desk.dense, bench.blocks, design.widths(sizes), design.blocks)


def _prediction(bench: Bench, number: int) -> Fact:
    """A plan's p50 as a share of the reference's, predicted and measured beside it."""
    plan = drawn(bench, number)
    share = bench.predicted(plan) / bench.table.reference_ms
    found = bench.ratio(bench.artifact(plan), bench.whole())
    return {"predicted": round(share, 5), "measured": round(found["p50"], 5)}


def rows(asked: Asked, store: Store) -> Iterator[Row]:
    """Rows of every runtime and precision that is known whole."""
    known = store.facts()
    for runtime, precision in asked.pairs():
        keys = _keys(asked, runtime, precision)
        if not all(key in known for key in keys):
            continue
        name = f"{runtime} {precision}"
        yield from _table_rows(name, {str(key[0]): known[key] for key in keys})
        plans = range(QUICK_PLANS if asked.quick else PLANS)
        pairs = [
            [known["prediction", runtime, precision, number, time_] for time_ in TIMES]
            for number in plans
        ]
        yield from _prediction_rows(name, pairs)


def _table_rows(name: str, parts: dict[str, Fact]) -> Iterator[Row]:
    for part, what, most in (
        ("table", "table of costs, s", LONGEST_TABLE_S),
        ("planning", "planning, s", LONGEST_PLANNING_S),
        ("reopened", "table of costs again, s", LONGEST_REOPENING_S),
    ):
        if part in parts:
            seconds = parts[part]["seconds"]
            met = seconds <= most and parts[part].get("same", True)
            yield row(f"{name}: {what}", f"<= {most}", seconds, met)


def _prediction_rows(name: str, pairs: Sequence[Sequence[Fact]]) -> Iterator[Row]:
    twice = [(one["measured"], two["measured"]) for one, two in pairs]
    repeat = order_statistic([abs(one / two - 1) for one, two in twice], 0.9)
    middles = [(one + two) / 2 for one, two in twice]
    predicted = [one["predicted"] for one, _ in pairs]
    errors = [abs(one / found - 1) for one, found in zip(predicted, middles, strict=True)]
    yield told(f"{name}: r, the machine's own p90 repeat difference", round(repeat, 4))
    yield told(f"{name}: p90 of the predictions' errors", round(order_statistic(errors, 0.9), 4))
    for near, share in WITHIN:
        met = sum(error <= near + repeat for error in errors) / len(errors)
        what = f"{name}: of {len(errors)} plans within ±({near:.0%} + r)"
        yield row(what, f">= {share}", round(met, 3), met >= share)
