"""Fine-tuning with distillation from the dense model."""

from dataclasses import dataclass, replace
from pathlib import Path
from typing import Protocol

from pipeline.graph import Graph
from pipeline.metrics import ScoredTask
from pipeline.recipe import Recover
from pipeline.recover.chance import seeded
from pipeline.recover.features import Kept
from pipeline.recover.history import Epoch, Training
from pipeline.recover.objective import Objective, TaskLoss
from pipeline.recover.trainer import Settling, Tell, Trainer
from pipeline.recover.zeros import Masks
from targets.errors import TaskError


class LearntTask(ScoredTask, Protocol):
    """What recovery needs of a task."""

    @property
    def loss(self) -> TaskLoss | None:
        """The task's loss of outputs and target, a scalar tensor; None where it has none."""
        ...


@dataclass(frozen=True)
class Recovered:
    """The trained graph, in evaluation mode, and what each epoch led to, epoch 0 first.

    `resumed_after` is the epoch after which training was taken up again; None where it was not.
    """

    graph: Graph
    history: tuple[Epoch, ...]
    training: Training
    resumed_after: int | None


def recover(
    student: Graph,
    teacher: Graph,
    task: LearntTask,
    settings: Recover,
    progress: Tell,
    masks: Masks | None = None,
    *,
    kept: Kept | None = None,
    checkpoints: Path | None = None,
    settling: Settling | None = None,
) -> Recovered:
    """Trains a copy of the student towards the task's targets and the teacher's outputs.

    AdamW on a one-cycle schedule. The weights kept are those of the best epoch by the task's first
    metric on the validation split (of equals, the one of lower loss), or the student's own if no
    epoch was better. Given epochs, the seed and torch's number of threads, a machine always arrives
    at the same weights, however often it was cut off; given minutes, it trains for that long. A
    graph of static batch keeps its batch-norm statistics.

    Args:
        student: what pruning left. It is not changed.
        teacher: the dense graph, of the same inputs and outputs. It is not changed.
        task: gives batches, metrics and loss.
        settings: epochs or minutes, learning rate, distillation and seed.
        progress: told of every step: a message with the time left, and the fraction done.
        masks: per parameter, which of its elements are trained; the others stay zero.
        kept: per node of the teacher, which of its indices the student has; all where it says
            nothing. For distilling activations.
        checkpoints: a folder of this training alone, put down after every epoch and taken up.
        settling: what stands still for the last part of the training; None: nothing does.

    Raises:
        TaskError: no loss where one is needed, an empty split, a loss that is not finite, too
            little time, or nothing to train.
        ArtifactError: the checkpoint can't be read.
    """
    trainer = Trainer(
        student, teacher, task, settings, _objective(task, settings), progress,
        masks or {}, kept or {}, settling,
    )  # fmt: skip
    with seeded(settings.seed):
        trainer.train(checkpoints)
    history = (replace(one, best=one.epoch == trainer.best) for one in trainer.history)
    return Recovered(
        replace(student, module=trainer.module),
        tuple(history),
        _told(trainer, settings),
        trainer.resumed_after,
    )


def _objective(task: LearntTask, settings: Recover) -> Objective:
    distill = settings.distill
    objective = (
        Objective(task.loss, distill.temperature, distill.weight)
        if distill
        else Objective(task.loss, temperature=1.0, weight=0.0)
    )
    if task.loss is None and objective.weight < 1:
        raise TaskError(
            "recover needs a loss: give task.py `def loss(outputs, target)`, or learn from the "
            "dense model alone with `distill: {weight: 1.0}`"
        )
    return objective


def _told(trainer: Trainer, settings: Recover) -> Training:
    return Training(
        asked=settings.told,
        epochs=len(trainer.history) - 1,
        batches=trainer.rates.batches,
        seconds=trainer.seconds() if settings.minutes is not None else None,
        precision=trainer.precision,
        distilled=trainer.distilled,
        rates=trainer.rates.all(),
    )
