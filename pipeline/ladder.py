"""The ladder's rungs, and which comes next. Pure: knows figures, neither models nor devices.

A rung is a way to quantize, dearer than the one before it. A runtime climbs until an artifact of
its own holds the limits, or there is no rung or no time left; its best so far stays.
"""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pipeline.recipe_quantize import Range
from targets.budget import Line
from targets.limit import METRIC_LIMITS

Kind = Literal["range", "equalized", "rounded", "regions", "qat"]
RANGES: tuple[Range, ...] = ("least-squares", "percentile", "entropy", "min-max")
KINDS: tuple[Kind, ...] = ("equalized", "rounded", "regions", "qat")
"""What follows the ranges, in order."""
MOST_REGIONS = 4
"""Float regions at most: a rung with one, one with two, one with all."""


LEAST_MS = 1e-6


@dataclass(frozen=True)
class Method:
    """How a plan is made without training: the range method, and what is done to the weights.

    Attributes:
        range: how an activation's range follows from what was observed.
        equalized: whether channels were brought to like ranges, and biases corrected.
        rounded: whether weights were rounded for their operator's output, not each to its nearest.
    """

    range: Range
    equalized: bool = False
    rounded: bool = False

    @property
    def told(self) -> str:
        """In words."""
        parts = [f"ranges by {self.range}"]
        parts += ["equalized, biases corrected"] if self.equalized else []
        return ", ".join([*parts, *(["weights rounded for outputs"] if self.rounded else [])])


@dataclass(frozen=True)
class Rung:
    """One rung.

    Attributes:
        name: as candidates and the report call it.
        kind: what it does.
        method: how its plan is made, or that of the model that it starts from.
        count: how many regions stay float.
    """

    name: str
    kind: Kind
    method: Method
    count: int = 0

    @property
    def told(self) -> str:
        """In words."""
        more = {
            "regions": f"{self.count} regions in float",
            "qat": "trained with int8's rounding in it",
        }
        return ", ".join([self.method.told, *([more[self.kind]] if self.kind in more else [])])


@dataclass(frozen=True)
class Outcome:
    """What one rung came to on one runtime.

    Attributes:
        rung: it.
        metric: the limits' metric, of the artifact on the validation split; None: no artifact.
        drop: against dense, above 0 is worse.
        class_drop: of the class that lost most; None where the metric has no classes.
        latency_ms: the median over processes of p50; None: not measured.
        shortfall: how far the metric is beyond its limits, at most 0 where it holds them.
        status: the verdict's, where the artifact was measured by the full rule.
        reason: why there is no artifact.
        missed: the limits on cost that every process was beyond. Of a short sitting these are few,
            so that a rung is not passed over for it, but another tried beside it.
    """

    rung: Rung
    metric: float | None = None
    drop: float | None = None
    class_drop: float | None = None
    latency_ms: float | None = None
    shortfall: float | None = None
    status: str = ""
    reason: str = ""
    missed: tuple[Line, ...] = ()

    @property
    def keeps_metric(self) -> bool:
        """Whether the limits on the metric hold."""
        return self.shortfall is not None and self.shortfall <= 0

    @property
    def holds(self) -> bool:
        """Whether the limits on the metric hold, and no limit on cost was seen to be missed."""
        return self.keeps_metric and not self.missed

    @property
    def settles(self) -> bool:
        """Whether no further rung is worth trying: what is int8 throughout costs what it costs,
        whichever way it is made; only regions in float cost more than the rungs after them."""
        return self.keeps_metric and (not self.missed or self.rung.kind != "regions")

    @property
    def excess(self) -> float:
        """The largest share of a limit on cost that was missed; 0 where none was."""
        return max((one.share() or 0.0 for one in self.missed), default=0.0)


def missed(lines: Iterable[Line]) -> tuple[Line, ...]:
    """The limits on cost that failed."""
    return tuple(one for one in lines if one.status == "FAIL" and one.limit not in METRIC_LIMITS)


def best(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The one to deliver: of those that hold the limits on the metric one that holds those on cost
    too, else the least beyond them; of others first those that hold the limits on cost. Then the
    nearest to the limits on the metric, or furthest within them; of equals the first, the cheapest
    to make. None where no rung led to an artifact."""
    made = [one for one in outcomes if one.shortfall is not None]
    return min(made, key=_worth, default=None)


def _worth(one: Outcome) -> tuple[bool, float, float]:
    over = one.excess if one.keeps_metric else float(bool(one.missed))
    return not one.keeps_metric, over, one.shortfall or 0.0


def nearest(outcomes: Sequence[Outcome]) -> Outcome | None:
    """The one whose metric is best, which the next is made from, whatever it costs; of equals the
    first. None where no rung led to an artifact."""
    made = [one for one in outcomes if one.shortfall is not None]
    return min(made, key=lambda one: one.shortfall or 0.0, default=None)


def next_rung(outcomes: Sequence[Outcome], first: Range) -> Rung | None:
    """What a runtime tries next; None where a rung held the limits, or there is none left.

    Args:
        outcomes: of the runtime's rungs so far, in order.
        first: the range method to begin with.
    """
    if any(one.settles for one in outcomes):
        return None
    tried = [one.rung for one in outcomes]
    ranges = [first, *(one for one in RANGES if one != first)]
    for one in ranges:
        if not any(rung.kind == "range" and rung.method.range == one for rung in tried):
            return Rung(one, "range", Method(one))
    for kind in KINDS:
        if (rung := _further(kind, outcomes)) is not None:
            return rung
    return None


def _further(kind: Kind, outcomes: Sequence[Outcome]) -> Rung | None:
    """The kind's next rung, from the best of those before; None where all were tried."""
    of_kind = [one.rung for one in outcomes if one.rung.kind == kind]
    if kind == "regions":
        return _regions(of_kind, outcomes)
    if of_kind:
        return None
    if kind == "qat":  # from whatever came nearest, but for weights that lie on a grid already
        base = nearest([one for one in outcomes if one.rung.kind != "regions"]) or outcomes[0]
        return Rung("qat", kind, replace(base.rung.method, rounded=False))
    by_range = nearest([one for one in outcomes if one.rung.kind == "range"]) or outcomes[0]
    chosen = by_range.rung.method.range
    return Rung(kind, kind, Method(chosen, equalized=True, rounded=kind == "rounded"))


def _regions(tried: Sequence[Rung], outcomes: Sequence[Outcome]) -> Rung | None:
    """Twice as many regions as before, of the best plan that was made without training; none where
    those before cost too much already."""
    count = 2 * tried[-1].count if tried else 1
    base = nearest([one for one in outcomes if one.rung.kind in ("range", "equalized", "rounded")])
    dear = any(one.missed for one in outcomes if one.rung.kind == "regions")
    if count > MOST_REGIONS or base is None or dear:
        return None
    method = tried[-1].method if tried else base.rung.method
    return Rung(f"float-{count}", "regions", method, count)


@dataclass(frozen=True)
class Priced:
    """A region that could stay float: what it regains, and what it costs.

    Attributes:
        name: what it is to the user.
        nodes: its operators.
        gain_db: of signal to quantization noise at the outputs.
        cost_ms: measured on the runtime, against the model without it; may be below 0.
    """

    name: str
    nodes: tuple[str, ...]
    gain_db: float
    cost_ms: float


def by_worth(regions: Sequence[Priced], least_ms: float) -> tuple[Priced, ...]:
    """Regions that regain anything, the most decibels per millisecond first.

    `least_ms` is what a measurement can tell from nothing: no region counts as cheaper.
    """
    gaining = [one for one in regions if one.gain_db > 0]
    least = max(least_ms, LEAST_MS)
    return tuple(sorted(gaining, key=lambda one: -one.gain_db / max(one.cost_ms, least)))
