"""What a recovery did, as the run folder and the report keep it."""

from dataclasses import asdict, dataclass, field

STRIDE = 1 / 50
"""The learning rate is recorded at every such part of the training."""


@dataclass(frozen=True)
class Epoch:
    """What one epoch led to.

    Attributes:
        epoch: 1 for the first; 0 is the student before any training.
        loss: on the validation split: the task's, or the distillation loss where it has none.
        metric: the task's first metric on the validation split.
        learning_rate: of the epoch's last batch.
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
class Rate:
    """The learning rate with which a batch was trained, counted from 1 over all epochs."""

    batch: int
    learning_rate: float


@dataclass
class Rates:
    """The schedule as it was: the rate at about 50 moments, the first and the last among them.

    Attributes:
        batches: trained with.
        kept: the moments so far.
        last: the rate of the last batch.
        due: the share of the training after which the next moment is kept.
    """

    batches: int = 0
    kept: list[Rate] = field(default_factory=list)
    last: float = 0.0
    due: float = 0.0

    def note(self, done: float, learning_rate: float) -> None:
        """One more batch, trained with this rate after this share of the training."""
        self.batches += 1
        self.last = learning_rate
        if done >= self.due:
            self.kept.append(Rate(self.batches, learning_rate))
            self.due = done + STRIDE

    def all(self) -> tuple[Rate, ...]:
        """The recorded ones, and the last."""
        ends = self.kept and self.kept[-1].batch == self.batches
        last = () if ends or not self.batches else (Rate(self.batches, self.last),)
        return (*self.kept, *last)


@dataclass(frozen=True)
class Training:
    """What was spent, and how.

    Attributes:
        asked: epochs or minutes, as the recipe has it.
        epochs: begun; of the last one, training by the clock may have left a part.
        batches: trained with.
        seconds: on the clock, both validations included; None where training is by epochs, which
            the clock does not shape.
        precision: of the forward and backward passes.
        distilled: what was learnt from the dense model, in words; empty for nothing.
        rates: the learning rate at about 50 moments.
    """

    asked: str
    epochs: int
    batches: int
    seconds: float | None
    precision: str
    distilled: str
    rates: tuple[Rate, ...]

    def to_json(self) -> dict[str, object]:
        """As the run folder keeps it."""
        return asdict(self)
