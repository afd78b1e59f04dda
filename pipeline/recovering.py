"""From a recover step to a trained candidate: what recovery is told of the parent and its plans."""

import json
from pathlib import Path

from pipeline import candidate as candidates
from pipeline.desk import Desk
from pipeline.disk import atomic_write, make_folder
from pipeline.prune import masks_of
from pipeline.prune.kept import Kept, kept_by
from pipeline.prune.plans import PrunePlan
from pipeline.recipe import Recover
from pipeline.recover import Recovered, recover

HISTORY = "history.json"


def recover_into(desk: Desk, parent: Path, settings: Recover, folder: Path, begun: Path) -> None:
    """Trains the candidate in the parent's folder, taught by the dense model, and saves it.

    Beside the candidate the folder gets history.json: what each epoch led to, what was spent, and
    the learning rate's schedule as it was.

    Args:
        desk: the run.
        parent: the folder of the candidate that is trained.
        settings: of the recover step.
        folder: gets the trained candidate.
        begun: keeps a checkpoint of every epoch, and is gone on from.

    Raises:
        TaskError: see `recover`.
        ArtifactError: a checkpoint that can't be read.
    """
    student = candidates.load(parent, desk.dense)
    make_folder(begun)
    done = recover(
        student.graph,
        desk.dense,
        desk.task,
        settings,
        desk.console.progress,
        masks_of(student.plans[-1].weights) if student.plans else None,
        kept=_kept(desk, student.plans, settings),
        checkpoints=begun,
    )
    if done.resumed_after is not None:
        desk.console.remark(f"went on after epoch {done.resumed_after}, where it was cut off")
    student.with_graph(done.graph, _line(done, settings)).save(folder)
    atomic_write(folder / HISTORY, history_of(done))


def history_of(done: Recovered) -> str:
    """What each epoch led to, what was spent and the learning rates, as JSON."""
    told = {
        "training": done.training.to_json(),
        "epochs": [epoch.to_json() for epoch in done.history],
    }
    return json.dumps(told, indent=2) + "\n"


def _kept(desk: Desk, plans: tuple[PrunePlan, ...], settings: Recover) -> Kept | None:
    """Asked for only where activations are compared."""
    wanted = settings.distill is not None and settings.distill.features
    return kept_by(desk.dense, plans) if wanted else None


def _line(done: Recovered, settings: Recover) -> str:
    """The lineage's line."""
    line = f"recover: {settings.told}"
    if settings.minutes is not None:
        line += f" ({done.training.batches} batches)"
    return line + (", distilled" if settings.distill else "")
