"""Fine-tuning with distillation from the dense model."""

import copy
import math
import time
from collections.abc import Callable
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from typing import Protocol

import torch
from torch import Tensor, fx

from pipeline.graph import Graph
from pipeline.inference import fixed_batch, infer
from pipeline.metrics import ScoredTask, value
from pipeline.recipe import Recover
from pipeline.recover.chance import seeded
from pipeline.recover.hardware import arrange, means
from pipeline.recover.mode import training
from pipeline.recover.objective import Objective, TaskLoss
from pipeline.recover.samples import Batch, Pass, passes
from pipeline.recover.schedule import one_cycle
from pipeline.recover.zeros import Masks, Zeros
from targets.errors import TaskError

WEIGHT_DECAY = 0.01
LARGEST_GRADIENT = 5.0
"""Norm to which a batch's gradient is clipped: the first steps after pruning can be wild."""

Progress = Callable[[str, float], None]


class LearntTask(ScoredTask, Protocol):
    """What recovery needs of a task."""

    @property
    def loss(self) -> TaskLoss | None:
        """The task's loss of outputs and target, a scalar tensor; None where it has none."""
        ...


@dataclass(frozen=True)
class Epoch:
    """What one epoch led to.

    Attributes:
        epoch: 1 for the first; 0 is the student before any training.
        loss: on the validation split: the task's, or the distillation loss where it has none.
        metric: the task's first metric on the validation split.
        learning_rate: at the epoch's end.
        best: whether its weights were kept.
    """

    epoch: int
    loss: float
    metric: float
    learning_rate: float
    best: bool = False

    def to_json(self) -> dict[str, float | int | bool]:
        """As the report and the run folder keep it."""
        return asdict(self)


@dataclass(frozen=True)
class Recovered:
    """The trained graph, in evaluation mode, and what each epoch led to, epoch 0 first."""

    graph: Graph
    history: tuple[Epoch, ...]


def recover(
    student: Graph,
    teacher: Graph,
    task: LearntTask,
    settings: Recover,
    progress: Progress,
    masks: Masks | None = None,
) -> Recovered:
    """Trains a copy of the student towards the task's targets and the teacher's outputs.

    AdamW on a one-cycle schedule. The weights kept are those of the best epoch by the task's first
    metric on the validation split (of equals, the one of lower loss), or the student's own if no
    epoch was better. Given the seed and torch's number of threads, a machine always arrives at the
    same weights. A graph of static batch keeps its batch-norm statistics.

    Args:
        student: what pruning left. It is not changed.
        teacher: the dense graph, of the same inputs and outputs. It is not changed.
        task: gives batches, metrics and loss.
        settings: epochs, learning rate, distillation and seed.
        progress: told of every step: a message with the time left, and the fraction done.
        masks: per parameter, which of its elements are trained; the others stay zero.

    Raises:
        TaskError: no loss where one is needed, an empty split, a loss that is not finite, or
            nothing to train.
    """
    objective = _objective(task, settings)
    trainer = _Trainer(student, teacher, task, settings, objective, progress, masks or {})
    with seeded(settings.seed):
        history = trainer.train()
    return Recovered(replace(student, module=trainer.module), history)


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


class _Trainer:
    """One training run: the copy that is trained, and the best weights so far."""

    def __init__(
        self,
        student: Graph,
        teacher: Graph,
        task: LearntTask,
        settings: Recover,
        objective: Objective,
        progress: Progress,
        masks: Masks,
    ) -> None:
        self.module: fx.GraphModule = copy.deepcopy(student.module)
        self._teacher = teacher.module
        self._task = task
        self._settings = settings
        self._objective = objective
        self._progress = progress
        self._means = means(self.module)
        self._trained = [one for one in self.module.parameters() if one.requires_grad]
        self._optimizer = _optimizer(self._trained)
        self._zeros = Zeros(self.module, masks)
        self._started = time.monotonic()

    def train(self) -> tuple[Epoch, ...]:
        """All epochs; afterwards the module holds the best one's weights."""
        arrange(self.module, self._means.weight_layout)
        best = self._validate(0)
        kept = _state(self.module)
        history = [best]
        generator = torch.Generator().manual_seed(self._settings.seed)
        for number, batches in enumerate(passes(self._task, self._settings.epochs, generator), 1):
            self._train_epoch(number, batches)
            history.append(self._validate(number))
            if self._is_better(history[-1], best):
                best, kept = history[-1], _state(self.module)
        self.module.load_state_dict(kept)
        self.module.zero_grad()
        arrange(self.module, torch.contiguous_format)
        return tuple(replace(one, best=one is best) for one in history)

    def _train_epoch(self, number: int, batches: Pass) -> None:
        # One sample has no batch statistics worth having: a static graph keeps those it has.
        moving = fixed_batch(self.module) is None
        with training(self.module) if moving else nullcontext():
            for index, batch in enumerate(batches.batches):
                done = (number - 1 + index / batches.count) / self._settings.epochs
                loss = self._step(batch, one_cycle(done, self._settings.learning_rate))
                self._report(number, index, loss, done)
                self._check(loss, f"epoch {number}, batch {index + 1}: the loss")

    def _step(self, batch: Batch, learning_rate: float) -> float:
        """One update of the weights; a loss that is not finite changes nothing."""
        inputs, target = batch
        inputs = self._means.laid_out(inputs)
        taught = self._taught(inputs)
        with self._means.precision():
            outputs = infer(self.module, inputs)
        loss = self._objective(outputs, taught, target)
        if not torch.isfinite(loss):
            return loss.item()
        self._optimizer.zero_grad()
        torch.autograd.backward(loss)
        self._zeros.hold_gradients()
        norm = torch.nn.utils.clip_grad_norm_(self._trained, LARGEST_GRADIENT)
        self._check(norm.item(), "the gradient's norm")
        for group in self._optimizer.param_groups:
            group["lr"] = learning_rate
        self._optimizer.step()
        self._zeros.hold_weights()
        return loss.item()

    def _taught(self, inputs: tuple[Tensor, ...]) -> object:
        """The teacher's outputs, where the objective needs them."""
        if not self._objective.needs_teacher:
            return None
        with torch.no_grad(), self._means.precision():
            return infer(self._teacher, inputs)

    @torch.no_grad()
    def _validate(self, number: int) -> Epoch:
        """How the weights do on the validation split, in float32."""
        metric = self._task.metrics()[0]
        total = 0.0
        count = 0
        for inputs, target in self._task.batches("validation"):
            placed = self._means.laid_out(inputs)
            outputs = infer(self.module, placed)
            metric.update(outputs, target)
            total += self._loss(outputs, placed, target) * len(inputs[0])
            count += len(inputs[0])
        if not count:
            raise TaskError("batches('validation') is empty; recovery judges its epochs by it")
        rate = one_cycle(number / self._settings.epochs, self._settings.learning_rate)
        return Epoch(number, total / count, value(metric), rate if number else 0.0)

    def _loss(self, outputs: object, inputs: tuple[Tensor, ...], target: object) -> float:
        """The task's loss, or the distance to the teacher where it has none."""
        if self._objective.task_loss is None:
            return self._objective(outputs, self._taught(inputs), target).item()
        return self._objective.own(outputs, target).item()

    def _is_better(self, one: Epoch, other: Epoch) -> bool:
        sign = 1 if self._task.metrics()[0].higher_is_better else -1
        return (sign * one.metric, -one.loss) > (sign * other.metric, -other.loss)

    def _check(self, number: float, what: str) -> None:
        if not math.isfinite(number):
            raise TaskError(
                f"recover: {what} is {number}; lower steps: recover: learning_rate "
                f"(now {self._settings.learning_rate:g}), or look in loss() and the training data "
                "for a logarithm or a division by zero"
            )

    def _report(self, number: int, index: int, loss: float, done: float) -> None:
        message = f"epoch {number}/{self._settings.epochs}, loss {loss:.3f}"
        if index:
            left_s = (time.monotonic() - self._started) * (1 - done) / done
            message += f", about {left_s:.0f} s left"
        self._progress(message, done)


def _optimizer(parameters: list[torch.nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW; weights decay, biases and norms don't."""
    if not parameters:
        raise TaskError("recover: no parameter of the model requires a gradient: nothing to train")
    weights = [one for one in parameters if one.dim() > 1]
    others = [one for one in parameters if one.dim() <= 1]
    groups = [
        {"params": weights, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]])


def _state(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
