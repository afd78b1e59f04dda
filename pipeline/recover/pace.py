"""How long recovery trains: a number of epochs, or a time on the clock."""

import time
from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

from pipeline.recipe import Recover
from targets.errors import TaskError

Clock = Callable[[], float]


class Pace(Protocol):
    """What the learning rate follows and what ends the training."""

    def done(self, epochs: float) -> float:
        """The share of the training that is done after so many epochs; 1 or more ends it."""
        ...

    def told(self, epoch: int) -> str:
        """An epoch as progress names it."""
        ...


@dataclass(frozen=True)
class ByEpochs:
    """A number of passes over the training split."""

    epochs: int

    def done(self, epochs: float) -> float:
        """Epochs of all epochs."""
        return epochs / self.epochs

    def told(self, epoch: int) -> str:
        """The epoch and how many they are."""
        return f"epoch {epoch}/{self.epochs}"


@dataclass(frozen=True)
class ByTime:
    """A time, laid over however many epochs fit into it; the last of them may be cut short.

    Budgeted training (Li, Yumer, Ramanan 2020, section 3): the schedule is laid over the budget,
    whatever it turns out to hold, so that the rate is down when the time is up.

    Attributes:
        training_s: the seconds for training and its validations, but for the last one.
        spent: the seconds since training began, those of a run that was cut off included.
    """

    training_s: float
    spent: "Stopwatch"

    def done(self, epochs: float) -> float:
        """Seconds of all seconds; at least one epoch has begun before the time is up."""
        return self.spent.seconds() / self.training_s

    def told(self, epoch: int) -> str:
        """The epoch; how many they will be is not known."""
        return f"epoch {epoch}"


class Stopwatch:
    """Seconds of work, over as many processes as it takes."""

    def __init__(self, before_s: float = 0.0, clock: Clock = time.monotonic) -> None:
        """Starts, with what was spent before."""
        self._clock = clock
        self._began = clock() - before_s

    def seconds(self) -> float:
        """What was spent up to now."""
        return self._clock() - self._began


def pace_of(settings: Recover, spent: Stopwatch, validation_s: float) -> Pace:
    """The pace that the settings ask for.

    Args:
        settings: epochs, or minutes.
        spent: runs since training began, after the first validation.
        validation_s: what one pass over the validation split takes. The stated minutes hold the
            first and the last one.

    Raises:
        TaskError: the minutes hold no training beside the two validations.
    """
    if settings.minutes is None:
        assert settings.epochs is not None, "settings have one mode"
        return ByEpochs(settings.epochs)
    training_s = 60 * settings.minutes - 2 * validation_s
    if training_s <= 0:
        raise TaskError(
            f"recover: minutes: found {settings.minutes:g}; the validation split is scored before "
            f"and after training, which takes twice {validation_s:.2g} s; allowed: more than "
            f"{validation_s / 30:.2g}"
        )
    return ByTime(training_s, spent)
