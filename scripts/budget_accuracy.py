"""Accuracy at half of dense latency after the same one epoch, ours beside other ways there.

Ours is held to the budget by a run and lands a little below it. The others are taken at the
latency that ours measured, so that all are compared at equal measured latency.
"""

from collections.abc import Iterator
from functools import partial

import budget_peers as peers
from budget_desk import Asked, Bench, accuracy, bench_of, recipe_desk
from budget_store import Fact, Key, Row, Store, row, say, told

from pipeline import budgeting, candidate
from pipeline.recover import recover
from targets.measurement import median

SHARE = 0.5
SLACK = 0.01  # of ours: what clocks can't tell apart
SEEDS = (0, 1, 2)
OURS = "edgesmith"
EPOCH = "{recover: {epochs: 1, learning_rate: 0.002, distill: {temperature: 4, weight: 0.9}}}"
GAINS = {
    (peers.UNIFORM, "tflite"): 1.0, (peers.PEER, "tflite"): 1.0, (peers.MACS, "tflite"): -0.3,
    (peers.UNIFORM, "openvino"): 1.0, (peers.PEER, "openvino"): 1.0, (peers.MACS, "openvino"): 0.5,
    (peers.UNIFORM, "onnxruntime"): 1.0, (peers.PEER, "onnxruntime"): 1.0,
    (peers.MACS, "onnxruntime"): 0.5,
}  # fmt: skip
"""Points of accuracy that ours is to be ahead by."""


def collect(asked: Asked, store: Store) -> None:
    """What is not known yet, seed after seed, so that a first answer comes early."""
    for seed in SEEDS[:1] if asked.quick else SEEDS:
        for runtime in asked.runtimes:
            keys = [_key(asked, runtime, way, seed) for way in _ways(asked, store, runtime, seed)]
            if not all(store.known(*key) for key in keys):
                _collect(asked, store, runtime, seed)


def _ways(asked: Asked, store: Store, runtime: str, seed: int) -> list[str]:
    """Every way with the first seed; with the others the best variant of each."""
    if asked.quick:
        return [OURS, peers.UNIFORM]
    if seed == SEEDS[0]:
        return [OURS, *peers.WAYS]
    of = (peers.MACS, peers.PEER)
    return [
        OURS,
        peers.UNIFORM,
        *(one for name in of for one in _best(asked, store, runtime, name)),
    ]


def _best(asked: Asked, store: Store, runtime: str, name: str) -> list[str]:
    known = store.facts()
    variants = [way for way in peers.WAYS if way.startswith(name)]
    scores = {
        way: fact["accuracy"]
        for way in variants
        if (fact := known.get(_key(asked, runtime, way, SEEDS[0]))) and fact["accuracy"] is not None
    }
    return [max(scores, key=scores.__getitem__)] if scores else []


def _key(asked: Asked, runtime: str, way: str, seed: int) -> Key:
    return ("untrained" if asked.quick else "accuracy", runtime, way, seed)


def _collect(asked: Asked, store: Store, runtime: str, seed: int) -> None:
    budget = f"{{latency_ms: {{p50: {SHARE:.0%} of dense}}}}"
    epoch = "" if asked.quick else EPOCH.replace("epochs: 1", f"epochs: 1, seed: {seed}")
    with recipe_desk(asked, runtime, "fp32", budget=budget, recover=epoch, seed=seed) as desk:
        bench = bench_of(desk, runtime)
        for way in _ways(asked, store, runtime, seed):
            key = _key(asked, runtime, way, seed)
            try:
                if way == OURS:
                    store.find(key, partial(_ours, bench, asked))
                else:
                    store.find(key, partial(_theirs, bench, asked, store, way, seed))
            except ModuleNotFoundError as absent:
                say(f"{way}: left out, since {absent.name} is not installed")


def _ours(bench: Bench, asked: Asked) -> Fact:
    """The product as it is: planned, measured, corrected, repaired, trained, measured again."""
    prune = bench.desk.prune
    assert prune is not None, "the recipe prunes"
    chosen = budgeting.meet(bench.desk, bench.dense, prune).selected[bench.runtime]
    trial = chosen.trials[bench.runtime]
    assert trial.dense is not None, "a candidate is measured beside dense"
    pairs = zip(trial.candidate.latency_ms(0.5), trial.dense.latency_ms(0.5), strict=True)
    graph = candidate.load(chosen.made.folder, bench.desk.dense).graph
    return {
        "accuracy": round(accuracy(graph, asked.data), 2),
        "p50": round(median([one / beside for one, beside in pairs]), 4),
        "macs": round(peers.macs(graph) / peers.macs(bench.desk.dense), 4),
    }


def _knob(bench: Bench, asked: Asked, way: str, share: float, shares: list[float]) -> Fact:
    """How much a way must take away to be as fast as ours; it depends on the widths alone, so one
    seed tells it."""
    found = peers.least_within(
        share * (1 + SLACK),
        lambda gone: peers.measured(bench, way, gone, asked.out),
        shares,
    )
    if found is None:
        return {"gone": None}
    gone, seen = found
    return {"gone": gone, **{name: round(value, 4) for name, value in seen.items()}}


def _theirs(bench: Bench, asked: Asked, store: Store, way: str, seed: int) -> Fact:
    """Widths alone tell what is trained: where two runtimes take the same, it is trained once."""
    for other in peers.stands_in_for(way):
        if _reached(asked, store, bench.runtime, other):
            return {"accuracy": None, "left_out": f"{other} gets there"}
    ours = store.facts()[_key(asked, bench.runtime, OURS, SEEDS[0])]["p50"]
    key: Key = ("knob", bench.runtime, peers.widths_by(way))
    shares = store.find(
        ("shares", peers.widths_by(way)), lambda: {"gone": list(peers.knob(bench, way))}
    )["gone"]
    knob = store.find(key, partial(_knob, bench, asked, way, ours, shares))
    if (gone := knob["gone"]) is None:
        return {"accuracy": None}
    key = ("widths untrained" if asked.quick else "widths trained", way, gone, seed)
    return {**knob, **store.find(key, partial(_trained, bench, asked, way, gone))}


def _reached(asked: Asked, store: Store, runtime: str, way: str) -> bool:
    fact = store.facts().get(_key(asked, runtime, way, SEEDS[0]))
    return fact is not None and fact["accuracy"] is not None


def _trained(bench: Bench, asked: Asked, way: str, gone: float) -> Fact:
    graph = peers.WAYS[way](bench, gone)
    if (settings := bench.desk.recover) is not None:
        desk = bench.desk
        graph = recover(graph, desk.dense, desk.task, settings, desk.console.progress).graph
    return {"accuracy": round(accuracy(graph, asked.data), 2)}


def rows(asked: Asked, store: Store) -> Iterator[Row]:
    """Ours against each: the mean over seeds, once all of them are known."""
    for runtime in asked.runtimes:
        ways = _ways(asked, store, runtime, SEEDS[-1])
        means = {way: _mean(asked, store, runtime, way) for way in ways}
        for way, mean in means.items():
            if mean is not None:
                yield told(f"{runtime}: {way}, accuracy at {SHARE} of dense p50", round(mean, 2))
        ours = means[OURS]
        if ours is not None and _is_whole(asked, store, runtime):
            yield from _gains(runtime, ours, means)


def _gains(runtime: str, ours: float, means: dict[str, float | None]) -> Iterator[Row]:
    for name in (peers.UNIFORM, peers.PEER, peers.MACS):
        known = [mean for way, mean in means.items() if way.startswith(name) and mean is not None]
        what, least = f"{runtime}: points ahead of {name} at equal latency", GAINS[name, runtime]
        gain = round(ours - max(known), 2) if known else None
        observed = "no widths are as fast" if gain is None else gain
        yield row(what, f">= {least}", observed, gain is None or gain >= least)


def _is_whole(asked: Asked, store: Store, runtime: str) -> bool:
    """Whether every way is known with every seed: one that is not may only be late."""
    return all(
        store.known(*_key(asked, runtime, way, seed))
        for seed in (SEEDS[:1] if asked.quick else SEEDS)
        for way in _ways(asked, store, runtime, seed)
    )


def _mean(asked: Asked, store: Store, runtime: str, way: str) -> float | None:
    known = store.facts()
    seeds = SEEDS[:1] if asked.quick else SEEDS
    found = [known.get(_key(asked, runtime, way, seed)) for seed in seeds]
    values = [one["accuracy"] for one in found if one is not None and one["accuracy"] is not None]
    return sum(values) / len(values) if len(values) == len(seeds) else None
