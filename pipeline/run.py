"""The hallway: the steps of a run in order, top to bottom.

dense baseline → prune (to the budget, where the recipe asks for it: pipeline/budgeting.py) →
recover → quantize and export → look at each artifact → measure and judge it beside dense →
compare what was selected with what it came from (pipeline/gate.py).
"""

from dataclasses import replace
from pathlib import Path

from pipeline import budgeting, gate, making, naming, native, stages, sweep
from pipeline.desk import Desk
from pipeline.finishing import finish
from pipeline.results import Judged, Made, Results
from pipeline.sweep import Sweep


def execute(desk: Desk, points: Sweep | None = None) -> Results:
    """Runs the recipe's steps; what the run folder has already is reused.

    Args:
        desk: what the run works with.
        points: values of a limit, each of which the recipe is run to.

    Raises:
        RecipeError: the prune step names what the model does not have.
        ConversionError: no runtime can take the dense model, or a candidate.
        EnvironmentFault: the recipe asks for a runtime's own quantizer, which is not installed.
    """
    stages.patterns(desk)
    native.check_tools(desk)
    results = _results(desk, baseline(desk), points)
    making.check_any([one.made for one in results.judged], results.failures())
    return gate.hold(desk, results)


def _results(desk: Desk, dense: Made, points: Sweep | None) -> Results:
    prune = desk.prune
    if points is not None:
        assert prune is not None, "a sweep is checked when it is read (Order.points)"
        return sweep.run(desk, dense, prune, points)
    if prune is not None and prune.to is not None:
        return budgeting.meet(desk, dense, prune)
    folder = _shaped(desk, dense.folder)
    final = finish(desk, dense, _name(desk), folder, tuple(desk.targets))
    return Results(dense, (*final, *_beside(desk, dense)))


def baseline(desk: Desk) -> Made:
    """The dense model in float32, exported and scored for every runtime."""
    desk.console.step("dense: tracing, exporting and scoring the model as it is")
    made = making.make(desk, "dense", stages.dense(desk), None, tuple(desk.targets))
    making.check_any([made], made.failures)
    return made


def _shaped(desk: Desk, folder: Path) -> Path:
    """The model pruned and recovered, in as many rounds as the schedule has."""
    prune, recover = desk.prune, desk.recover
    rounds = prune.rounds if prune is not None else 1
    for number in range(1, rounds + 1):
        of = f" (round {number} of {rounds})" if rounds > 1 else ""
        if prune is not None:
            desk.console.step(f"prune: {naming.told(prune)}{of}")
            folder = stages.prune(desk, folder, prune, number)
        if recover is not None:
            desk.console.step(f"recover: {recover.told}{of}")
            folder = stages.recover(desk, folder, recover)
    return folder


def _name(desk: Desk) -> str:
    names = ["pruned-" + naming.short(desk.prune)] if desk.prune is not None else []
    names += ["recovered"] if desk.recover is not None else []
    return "-".join(names)


def _beside(desk: Desk, dense: Made) -> tuple[Judged, ...]:
    """The same model quantized alone, where weights were zeroed: zeros are judged by it."""
    prune, quantize = desk.prune, desk.quantize
    if prune is None or prune.granularity != "weight" or quantize is None:
        return ()
    desk.console.step("beside: the same without sparsity")
    made = making.make(desk, "unpruned-int8", dense.folder, quantize, tuple(desk.targets))
    return (replace(making.judge(desk, dense, made), beside=True),)
