"""One training run: its epochs, and how it is put down and taken up again."""

import math
from collections.abc import Callable
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, fx

from pipeline.graph import Graph
from pipeline.graph.copying import copied
from pipeline.inference import fixed_batch, infer
from pipeline.metrics import ScoredTask, value
from pipeline.recipe import Recover
from pipeline.recover import chance, checkpoint, optimizer
from pipeline.recover.checkpoint import Checkpoint, Progress
from pipeline.recover.features import Kept
from pipeline.recover.hardware import arrange, means
from pipeline.recover.history import Epoch, Rates
from pipeline.recover.mode import training
from pipeline.recover.objective import Objective
from pipeline.recover.pace import Pace, Stopwatch, pace_of
from pipeline.recover.samples import Batch, Pass, Samples
from pipeline.recover.schedule import one_cycle
from pipeline.recover.teaching import Teaching
from pipeline.recover.zeros import Masks, Zeros
from targets.errors import ArtifactError, TaskError

LARGEST_GRADIENT = 5.0
"""Norm to which a batch's gradient is clipped: the first steps after pruning can be wild."""

Tell = Callable[[str, float], None]


@dataclass(frozen=True)
class Settling:
    """What moves with the batches at first and stands still for the rest of a training.

    Batch norms keep their statistics then, and drop-outs drop nothing: what is trained is what
    will be deployed.

    Attributes:
        after: the share of the training after which it stands still.
        still: makes the rest of the module, such as quantization's ranges, stand still too.
    """

    after: float
    still: Callable[[fx.GraphModule], None]


class Trainer:
    """The copy that is trained, and the best weights so far.

    Attributes:
        module: the copy; after training, with the best epoch's weights and in the usual layout.
        history: what each epoch led to, epoch 0 first.
        best: the number of the best of them.
        rates: the learning rates so far.
        precision: of the forward and backward passes.
        distilled: what is learnt from the teacher, in words.
        resumed_after: the epoch after which training was taken up again; None where it was not.
    """

    def __init__(
        self,
        student: Graph,
        teacher: Graph,
        task: ScoredTask,
        settings: Recover,
        objective: Objective,
        tell: Tell,
        masks: Masks,
        kept: Kept,
        settling: Settling | None = None,
    ) -> None:
        """See `recover`. Raises TaskError where there is nothing to train or to learn from."""
        self.module: fx.GraphModule = copied(student.module)
        self._task = task
        self._settings = settings
        self._tell = tell
        self._means = means(self.module, settings.precision)
        self._teaching = Teaching(
            self.module, teacher.module, objective, settings.distill, kept, self._means
        )
        self._trained = [one for one in self.module.parameters() if one.requires_grad]
        self._optimizer = optimizer.make(self._trained)
        self._zeros = Zeros(self.module, masks)
        self._settling = settling
        self._order = torch.Generator().manual_seed(settings.seed)
        self._samples = Samples(task, self._order)
        self.history: list[Epoch] = []
        self.best = 0
        self.rates = Rates()
        self.precision = self._means.named
        self.distilled = self._teaching.told
        self.resumed_after: int | None = None

    def train(self, checkpoints: Path | None) -> None:
        """All epochs, put down in the folder after each; afterwards the module has the best one's
        weights."""
        arrange(self.module, self._means.weight_layout)
        if checkpoints is None or (found := checkpoint.load(checkpoints)) is None:
            self._begin()
        else:
            self._take_up(found, checkpoints)
        while not self._is_over():
            self._train_epoch(len(self.history))
            if checkpoints is not None:
                self._put_down(checkpoints)
        self.module.load_state_dict(self._kept)
        self.module.zero_grad()
        arrange(self.module, torch.contiguous_format)

    def seconds(self) -> float:
        """Spent so far, the first validation included."""
        return self._spent.seconds() + self._validation_s

    # ---------------------------------------------------------------- beginning, resuming
    def _begin(self) -> None:
        validating = Stopwatch()
        self.history = [self._validate(0)]
        self._validation_s = validating.seconds()
        self.best, self._kept = 0, _state(self.module)
        self._set_pace(0.0)

    def _set_pace(self, before_s: float) -> None:
        self._spent = Stopwatch(before_s)
        self._pace: Pace = pace_of(self._settings, self._spent, self._validation_s)

    def _is_over(self) -> bool:
        """Not before one epoch has begun: a little time is at least one batch."""
        epochs = len(self.history) - 1
        return epochs > 0 and self._pace.done(epochs) >= 1

    def _put_down(self, folder: Path) -> None:
        """Keeps all that the next epoch begins with."""
        progress = Progress(
            history=tuple(self.history),
            best=self.best,
            rates=self.rates,
            seconds=self._spent.seconds(),
            validation_s=self._validation_s,
            count=self._samples.count,
            held=self._samples.held,
        )
        tensors = checkpoint.parts(
            weights=self.module.state_dict(),
            best=self._kept,
            optimizer=optimizer.memory(self._optimizer),
            chance={**chance.drawn(), "order": self._order.get_state()},
        )
        Checkpoint(progress, tensors).save(folder)

    def _take_up(self, found: Checkpoint, folder: Path) -> None:
        progress = found.progress
        try:
            self.module.load_state_dict(found.part("weights"))
            self._kept = {
                name: torch.empty_like(own).copy_(found.part("best")[name])
                for name, own in self.module.state_dict().items()
            }
            optimizer.remember(self._optimizer, found.part("optimizer"))
            drawn = found.part("chance")
            self._order.set_state(drawn["order"])
            chance.draw_on(drawn)
        except (KeyError, ValueError, RuntimeError) as error:
            raise ArtifactError(
                f"{folder / checkpoint.FILE}: a checkpoint of another training: {error}; remove it "
                "to begin anew"
            ) from error
        self.history, self.best = list(progress.history), progress.best
        self.rates = progress.rates
        self._validation_s = progress.validation_s
        self._samples = Samples(self._task, self._order, count=progress.count, held=progress.held)
        self.resumed_after = len(self.history) - 1
        self._set_pace(progress.seconds)

    # ---------------------------------------------------------------- an epoch
    def _train_epoch(self, number: int) -> None:
        self._train_on(number, self._samples.next())
        self.history.append(self._validate(number))
        if self._is_better(self.history[number], self.history[self.best]):
            self.best, self._kept = number, _state(self.module)

    def _train_on(self, number: int, batches: Pass) -> None:
        # One sample has no batch statistics worth having: a static graph keeps those it has.
        with ExitStack() as mode:
            if fixed_batch(self.module) is None:
                mode.enter_context(training(self.module))
            for index, batch in enumerate(batches.batches):
                done = self._pace.done(number - 1 + index / batches.count)
                if done >= 1 and self.rates.batches:
                    return
                if self._settling is not None and done >= self._settling.after:
                    mode.close()
                    self._settling.still(self.module)
                loss = self._step(batch, one_cycle(done, self._settings.learning_rate), done)
                self._report(number, loss, done)
                self._check(loss, f"epoch {number}, batch {index + 1}: the loss")

    def _step(self, batch: Batch, learning_rate: float, done: float) -> float:
        """One update of the weights; a loss that is not finite changes nothing."""
        inputs, target = batch
        loss = self._teaching.loss(self._means.laid_out(inputs), target)
        self.rates.note(done, learning_rate)
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
            total += self._teaching.judged(outputs, placed, target) * len(inputs[0])
            count += len(inputs[0])
        if not count:
            raise TaskError("batches('validation') is empty; recovery judges its epochs by it")
        return Epoch(number, total / count, value(metric), self.rates.last)

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

    def _report(self, number: int, loss: float, done: float) -> None:
        message = f"{self._pace.told(number)}, loss {loss:.3f}"
        if done > 0 and self.rates.batches > 1:
            left_s = self._spent.seconds() * (1 - done) / done
            message += f", about {left_s:.0f} s left"
        self._tell(message, done)


def _state(module: torch.nn.Module) -> dict[str, Tensor]:
    return {name: tensor.detach().clone() for name, tensor in module.state_dict().items()}
