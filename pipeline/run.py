"""The hallway: the steps of a run in order, top to bottom.

dense baseline → prune (searching the ratio where the budget asks for it) → recover → quantize and
export → look at each artifact → measure and judge it beside dense → select.
"""

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from pipeline import evidence, naming, sittings, stages
from pipeline.desk import Desk
from pipeline.recipe import Prune, Quantize, Schedule
from pipeline.results import Judged, Made, Results
from pipeline.search import Tried, best, escalate, next_ratio
from targets.budget import told
from targets.errors import ConversionError

ESCALATIONS = 2
"""Larger ratios tried when the full measuring misses what the search's short one met."""


def execute(desk: Desk) -> Results:
    """Runs the recipe's steps; what the run folder has already is reused.

    Raises:
        ConversionError: no runtime can take the dense model, or a candidate.
    """
    tried: list[Tried] = []
    desk.console.step("dense: tracing, exporting and scoring the model as it is")
    dense = _made(desk, "dense", stages.dense(desk), None)
    judged = tuple(_candidates(desk, dense, tried))
    return Results(dense, judged, tuple(tried))


def _candidates(desk: Desk, dense: Made, tried: list[Tried]) -> Iterator[Judged]:
    """Judged candidates, until one passes or nothing more can be done."""
    prune = desk.prune
    if prune is None or prune.to is None:
        yield _finished(desk, dense, prune)
        if prune is not None and prune.granularity == "weight" and desk.quantize is not None:
            yield replace(_unpruned(desk, dense, "beside: the same without sparsity"), beside=True)
        return
    unpruned = _unpruned(desk, dense, "unpruned: is pruning needed at all?")
    yield unpruned
    if unpruned.status == "PASS":
        desk.console.remark("the unpruned candidate meets the budget: nothing is pruned")
        return
    tried.append(Tried(0.0, *sittings.cost_excess(unpruned.trials)))
    ratio: float | None = _search(desk, dense, prune, tried)
    for _ in range(1 + ESCALATIONS):
        one = _finished(desk, dense, _at(prune, ratio) if ratio else None)
        yield one
        ratio = escalate(ratio) if ratio is not None else None
        if one.status == "PASS" or not one.needs_less_cost() or ratio is None:
            return
        desk.console.remark(f"a limit on cost was missed: pruning {ratio:.1%} instead")


def _unpruned(desk: Desk, dense: Made, why: str) -> Judged:
    quantize = desk.quantize
    desk.console.step(why)
    name = "unpruned-int8" if quantize else "unpruned"
    made = _made(desk, name, dense.folder, quantize)
    return _judged(desk, dense, replace(made, ratio=0.0))


def _search(desk: Desk, dense: Made, prune: Prune, tried: list[Tried]) -> float:
    """The least ratio that meets the limits on cost, by exporting and measuring unrecovered."""
    while (ratio := next_ratio(tried)) is not None:
        desk.console.step(f"search: pruning {ratio:.1%} of each group's channels")
        # in one round, and unrepaired: what is measured here does not depend on the weights
        at_once = _at(prune, ratio).model_copy(update={"schedule": Schedule(), "repair": "none"})
        folder = stages.prune(desk, dense.folder, at_once)
        exported = stages.export(desk, folder, desk.quantize)
        one = Tried(ratio, *sittings.short_trial(desk, dense.seen, exported))
        tried.append(one)
        desk.console.remark(f"{one.limit} is at {one.excess:.4g} times its limit")
    found = best(tried)
    if not found.meets:
        desk.console.remark(
            f"no ratio meets the limits with headroom: {found.limit} stands in the way; "
            f"the nearest, {found.ratio:.1%}, is kept"
        )
    return found.ratio


def _at(prune: Prune, ratio: float) -> Prune:
    return prune.model_copy(update={"to": None, "ratio": ratio})


def _finished(desk: Desk, dense: Made, prune: Prune | None) -> Judged:
    """A candidate after all of the recipe's steps, measured and judged."""
    names = ["pruned-" + naming.short(prune)] if prune is not None else []
    names += ["recovered"] if desk.recover is not None else []
    folder = _shaped(desk, dense.folder, prune)
    if (quantize := desk.quantize) is not None:
        names.append("int8")
    name = "-".join(names)
    desk.console.step(f"{name}: exporting, scoring and measuring beside dense")
    made = _made(desk, name, folder, quantize)
    return _judged(desk, dense, replace(made, ratio=prune.ratio if prune else 0.0))


def _shaped(desk: Desk, folder: Path, prune: Prune | None) -> Path:
    """The model pruned and recovered, in as many rounds as the schedule has."""
    rounds = prune.rounds if prune is not None else 1
    for number in range(1, rounds + 1):
        of = f" (round {number} of {rounds})" if rounds > 1 else ""
        if prune is not None:
            desk.console.step(f"prune: {naming.told(prune)}{of}")
            folder = stages.prune(desk, folder, prune, number)
        if (recover := desk.recover) is not None:
            desk.console.step(f"recover: {recover.epochs} epochs{of}")
            folder = stages.recover(desk, folder, recover)
    return folder


def _made(desk: Desk, name: str, folder: Path, quantize: Quantize | None) -> Made:
    exported = stages.export(desk, folder, quantize)
    failures = dict(exported.failures)
    seen = {}
    for runtime in exported.files:
        try:
            seen[runtime] = evidence.see(desk, runtime, exported)
        except ConversionError as error:
            failures[runtime] = str(error)
    for runtime, why in failures.items():
        desk.console.remark(f"{runtime}: {why}")
    if not seen:
        raise ConversionError("no runtime can take the model: " + "; ".join(failures.values()))
    return Made(name, folder, exported, seen, failures)


def _judged(desk: Desk, dense: Made, made: Made) -> Judged:
    runtimes = [runtime for runtime in made.seen if runtime in dense.seen]
    trials = {
        runtime: sittings.trial(desk, dense.seen[runtime], made.seen[runtime])
        for runtime in runtimes
    }
    for runtime, one in trials.items():
        desk.console.remark(f"{runtime}: {told(one.verdict)}")
    return Judged(made, trials)
