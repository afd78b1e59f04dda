"""Landings: what a budget of p50 led to, after at most two whole models were measured."""

from collections.abc import Iterator
from functools import partial

from budget_desk import Asked, Bench, bench_of, recipe_desk
from budget_store import Fact, Key, Row, Store, row, told

from pipeline import budgeting
from pipeline.cost.making import planned
from pipeline.landing import Landing
from pipeline.prune import PrunePlan
from pipeline.results import Judged
from targets.measurement import median

SHARES = (0.8, 0.6, 0.4, 0.3)
QUICK_SHARES = (0.6,)
MOST_MEASUREMENTS = 2
LEAST = 0.85
"""Of the budget; less is right only where everything wider is over it."""
NOISE = 0.005
"""What clocks can't tell apart is not over a budget."""


def collect(asked: Asked, store: Store) -> None:
    """A run to each budget that is not known yet, without any recovery: weights change no time."""
    for key in _keys(asked):
        _, runtime, precision, share = key
        if store.known(*key):
            continue
        budget = f"{{latency_ms: {{p50: {share:.0%} of dense}}}}"
        with recipe_desk(asked, str(runtime), str(precision), budget=budget) as desk:
            bench = bench_of(desk, str(runtime))
            store.find(key, partial(_landed, bench, float(share)))


def _keys(asked: Asked) -> list[Key]:
    shares = QUICK_SHARES if asked.quick else SHARES
    return [("landing", *pair, share) for pair in asked.pairs() for share in shares]


def _landed(bench: Bench, share: float) -> Fact:
    prune = bench.desk.prune
    assert prune is not None, "the recipe prunes"
    results = budgeting.meet(bench.desk, bench.dense, prune)
    selected = results.selected[bench.runtime]
    landing = next(iter(results.landings), None)
    trial = selected.trials[bench.runtime]
    dense = trial.dense
    assert dense is not None, "a candidate is measured beside dense"
    shares = {
        name: median(
            [
                one / beside
                for one, beside in zip(
                    trial.candidate.latency_ms(at), dense.latency_ms(at), strict=True
                )
            ]
        )
        for name, at in (("p50", 0.5), ("p95", 0.95))
    }
    return {
        "p50": round(shares["p50"] / share, 4),
        "p95": round(shares["p95"] / share, 4),
        "measured": sum(bool(one.plan) for one in landing.tried) if landing else 0,
        "unreachable": landing.unreachable if landing else "",
        "wider_fits": _wider_fits(bench, selected, landing, shares["p50"], share),
    }


def _wider_fits(
    bench: Bench, selected: Judged, landing: Landing | None, found: float, share: float
) -> list[str]:
    """What could be one legal step wider within the budget, as the table says once it is scaled to
    what was measured."""
    chosen = landing.chosen if landing else None
    if chosen is None or selected.made.name.endswith("unpruned"):
        return []
    plan = chosen.plan
    scale = found / bench.predicted(plan)
    most = share * (1 - NOISE)
    return [name for name, one in _widened(bench, plan) if scale * bench.predicted(one) <= most]


def _widened(bench: Bench, plan: PrunePlan) -> Iterator[tuple[str, PrunePlan]]:
    """The plan with one group a legal step wider, each in turn."""
    gone = [one.name for one in plan.blocks if one.removed]
    widths = {one.name: one.kept for one in plan.groups}
    for name, width in widths.items():
        wider = [one for one in bench.table.legal.get(name, ()) if one > width]
        if wider:
            yield (
                f"{name} {width} to {wider[0]}",
                planned(bench.desk.dense, bench.blocks, {**widths, name: wider[0]}, gone),
            )


def rows(asked: Asked, store: Store) -> Iterator[Row]:
    """A row for each budget."""
    known = store.facts()
    for key in _keys(asked):
        if key not in known:
            continue
        _, runtime, precision, share = key
        fact = known[key]
        name = f"{runtime} {precision}, p50 at {share} of dense"
        full = fact["p50"] >= LEAST or not fact["wider_fits"]
        met = fact["p50"] <= 1 + NOISE and full and fact["measured"] <= MOST_MEASUREMENTS
        target = f"{LEAST} to 1 of the budget, or the next legal width is over"
        yield row(f"{name}: p50 of the budget", target, fact["p50"], met)
        yield told(f"{name}: p95, of as large a share of dense's p95", fact["p95"])
        yield row(
            f"{name}: whole models measured", f"<= {MOST_MEASUREMENTS}", fact["measured"],
            fact["measured"] <= MOST_MEASUREMENTS,
        )  # fmt: skip
