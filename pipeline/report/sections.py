"""The page's further sections, which span runtimes: what the runtimes share is said once."""

import json
from collections.abc import Callable, Hashable, Mapping, Sequence
from dataclasses import dataclass
from typing import Generic, TypeVar

from pipeline.report import wording
from pipeline.report.charts import Curve, curve
from pipeline.report.document import Channels, Epoch, Metric, Row, Training, Unavailable
from pipeline.report.wording import Figure

T = TypeVar("T", bound=Hashable)


@dataclass(frozen=True)
class Shared(Generic[T]):
    """Something that these runtimes have in common."""

    runtimes: str
    value: T


def shared(rows: Sequence[Row], of: Callable[[Row], T]) -> tuple[Shared[T], ...]:
    """Groups rows by equal values, in order; nothing (an empty value) is left out."""
    groups: dict[T, list[str]] = {}
    for row in rows:
        groups.setdefault(of(row), []).append(wording.runtime_name(row.runtime))
    return tuple(
        Shared(_named(names, len(rows)), value) for value, names in groups.items() if value
    )


def _named(names: Sequence[str], of: int) -> str:
    return "All runtimes" if len(names) == of and of > 1 else ", ".join(names)


@dataclass(frozen=True)
class Whole:
    """A dimension or a group that was left whole, why, and the MACs that it holds."""

    name: str
    share: Figure | None
    reason: str


@dataclass(frozen=True)
class Pruning:
    """The channels kept in each group; what was left whole, and the MACs that stay with it."""

    channels: tuple[Channels, ...]
    whole: tuple[Whole, ...]
    kept: int
    size: int
    held: Figure | None


def prunings(rows: Sequence[Row]) -> tuple[Shared[Pruning | None], ...]:
    """What was kept, by the runtimes that share it."""
    return shared(rows, _pruning)


def _pruning(row: Row) -> Pruning | None:
    if not row.channels and not row.pinned:
        return None
    kept = sum(group.kept for group in row.channels)
    size = sum(group.size for group in row.channels)
    pinned = [Whole(one.name, wording.share(one.macs_share), one.reason) for one in row.pinned]
    groups = [Whole(one.name, None, one.reason) for one in row.channels if one.reason]
    held = None if row.macs_pinned_share is None else wording.share(row.macs_pinned_share)
    return Pruning(row.channels, (*pinned, *groups), kept, size, held)


@dataclass(frozen=True)
class EpochView:
    """A line of the recovery's table."""

    epoch: int
    loss: Figure
    score: Figure
    rate: Figure
    best: bool


@dataclass(frozen=True)
class Recovery:
    """A recovery: its epochs, and the validation metric as a curve where it is known throughout.

    `told` says what was spent and how, `rates` draws the learning rate over all batches and
    `highest` is its peak.
    """

    epochs: tuple[EpochView, ...]
    curve: Curve | None
    low: Figure
    high: Figure
    told: str = ""
    rates: Curve | None = None
    highest: Figure | None = None

    @property
    def has_rates(self) -> bool:
        """Whether any epoch's learning rate is known."""
        return any(not epoch.rate.reason for epoch in self.epochs)


def recoveries(rows: Sequence[Row], metric: Metric) -> tuple[Shared[Recovery | None], ...]:
    """The history of recovery, by the runtimes that share it."""
    return shared(rows, lambda row: _recovery(row, metric.name) if row.history else None)


def trainings(rows: Sequence[Row], metric: Metric) -> tuple[Shared[Recovery | None], ...]:
    """The history of quantization-aware training, by the runtimes that share it."""

    def told(row: Row) -> Recovery | None:
        if not row.aware_history:
            return None
        update = {"history": row.aware_history, "training": row.aware}
        return _recovery(row.model_copy(update=update), metric.name)

    return shared(rows, told)


def _recovery(row: Row, metric: str) -> Recovery:
    history = row.history
    known = [epoch.metric for epoch in history if not isinstance(epoch.metric, Unavailable)]
    best = next((index for index, epoch in enumerate(history) if epoch.best), None)
    line = curve(known, best) if len(known) == len(history) > 1 else None
    ends = (line.low, line.high) if line else (0.0, 0.0)
    low, high = (wording.score(end, metric) for end in ends)
    epochs = tuple(_epoch(epoch, metric) for epoch in history)
    if row.training is None:
        return Recovery(epochs, line, low, high)
    told, drawn = _spent(row.training), _drawn(row.training)
    peak = wording.figure(drawn.high, "") if drawn else None
    return Recovery(epochs, line, low, high, told, drawn, peak)


def _spent(training: Training) -> str:
    """What was spent and how, in a sentence."""
    spent = [f"{training.epochs} epoch{'s' * (training.epochs > 1)}", f"{training.batches} batches"]
    if training.seconds is not None:
        spent.append(str(wording.figure(training.seconds, "s")))
    learnt = f"; learnt from the dense model: {training.distilled}" if training.distilled else ""
    told = f"Asked for {training.asked}: {', '.join(spent)}, in {training.precision}{learnt}"
    return f"{told}. The epochs are judged, and one of them is kept, by the validation split."


def _drawn(training: Training) -> Curve | None:
    rates = [one.learning_rate for one in training.rates]
    known = [rate for rate in rates if not isinstance(rate, Unavailable)]
    return curve(known, None) if len(known) == len(rates) > 1 else None


def _epoch(epoch: Epoch, metric: str) -> EpochView:
    return EpochView(
        epoch.epoch,
        wording.figure(epoch.loss, ""),
        wording.score(epoch.metric, metric),
        wording.figure(epoch.learning_rate, ""),
        epoch.best,
    )


@dataclass(frozen=True)
class Facts:
    """A table of facts: a column for each runtime, or one where all agree."""

    columns: tuple[str, ...]
    rows: tuple[tuple[str, tuple[str, ...]], ...]


def conditions(rows: Sequence[Row]) -> Facts:
    """The conditions of measuring; a row whose runtimes all agree has one value."""
    columns = tuple(wording.runtime_name(row.runtime) for row in rows)
    facts = [_measured(row) for row in rows]
    names = list(dict.fromkeys(name for one in facts for name in one))
    table = [(name, tuple(one.get(name, "") for one in facts)) for name in names]
    return Facts(columns, tuple((name, _joined(values)) for name, values in table))


def _joined(values: tuple[str, ...]) -> tuple[str, ...]:
    return values[:1] if len(set(values)) == 1 else values


def _measured(row: Row) -> Mapping[str, str]:
    measured = row.measurement
    return {
        "provenance": measured.provenance,
        "load": _said(wording.figure(measured.load_ms, "ms")),
        "first inference": _said(wording.figure(measured.first_inference_ms, "ms")),
        "energy per inference": _said(wording.figure(measured.energy_mj, "mJ")),
        **{name.replace("_", " "): plain(value) for name, value in measured.conditions.items()},
    }


def _said(figure: Figure) -> str:
    return f"unavailable: {figure.reason}" if figure.reason else str(figure)


def plain(value: object) -> str:
    """A JSON value as a person reads it."""
    return value if isinstance(value, str) else json.dumps(value, ensure_ascii=False)
