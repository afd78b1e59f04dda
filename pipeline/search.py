"""The only loop: from what a whole model measured to what the next plan may be charged. Pure.

A cost model predicts what a plan will cost, and a sitting with the exported model says how far off
it was. Latency does not depend on the weights, so that takes no recovery. The next plan is held to
what is left of each limit once the last residual is taken off, and after two measurements the best
so far stays: it fits, and its divergence from the dense outputs is the least.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

MEASUREMENTS = 2
"""Whole models measured after the unpruned one, at most."""

LANDED = 0.95
"""A plan that meets its limits and comes to this share of one's aim is not improved upon."""

_AIMS = {"latency_ms.p50": 0.95, "peak_memory_mb": 0.98, "size_kb": 1.0}
_TAIL_AIM = 0.92
"""Shares of a limit that are aimed at: a full sitting scatters around a short one, and the tail of
its latencies (p90 and above, energy) scatters more."""

_FACTS = ("size_kb",)
_MARGIN, _STEERED = 0.98, 0.97
"""The share of a limit that the slowest process of a short sitting must keep to, since a full one
has more processes; and that it is steered to. A fact of the file needs no margin."""

_OFFSETS = ("peak_memory_mb", "size_kb")
"""Limits whose error is an amount (a runtime's arena, a file's graph), not a factor."""

_ROUNDING = 1e-9


@dataclass(frozen=True)
class Goal:
    """A limit on cost on one runtime, as a number in the unit of its name."""

    runtime: str
    limit: str
    budget: float

    @property
    def aim(self) -> float:
        """What the median of a short sitting should be, so that a full one is decided."""
        return self.budget * _AIMS.get(self.limit, _TAIL_AIM)

    @property
    def most(self) -> float:
        """What the slowest process of a short sitting may take."""
        return self.budget * (1.0 if self.limit in _FACTS else _MARGIN)

    @property
    def steered(self) -> float:
        """What the slowest process of the next short sitting should take."""
        return self.budget * (1.0 if self.limit in _FACTS else _STEERED)

    @property
    def name(self) -> str:
        """The limit and its runtime, in words."""
        return f"{self.limit} on {self.runtime}"

    def observed(self, charged: float, most: float) -> float:
        """What a sitting should find of something charged so much, where `most` is what may be
        charged for the aim."""
        if self.limit in _OFFSETS:
            return charged + self.aim - most
        return charged * self.aim / most

    def is_of(self, other: "Goal") -> bool:
        """Whether both limit the same, whatever the number."""
        return (self.runtime, self.limit) == (other.runtime, other.limit)


@dataclass(frozen=True)
class Reading:
    """What one limit's quantity was predicted to be, and what a sitting found.

    `observed` is the median over processes, `bound` the one process's that decides.
    """

    goal: Goal
    predicted: float
    observed: float
    bound: float

    @property
    def residual(self) -> float:
        """How far the prediction was off: 0.05 is 5 % more than was predicted."""
        return self.observed / self.predicted - 1 if self.predicted > 0 else 0.0

    @property
    def meets(self) -> bool:
        """Whether the slowest process kept to the limit, with its margin."""
        return self.bound <= self.goal.most * (1 + _ROUNDING)

    @property
    def excess(self) -> float:
        """The bound as a share of the limit; 1.0 is at the limit."""
        return self.bound / self.goal.budget

    def most(self) -> float:
        """What a plan may be charged, in the cost model's terms, so that the median comes to the
        aim and the slowest process within its margin, if the model is off as it was here."""
        aim, slowest = self.goal.aim, self.goal.steered
        if self.goal.limit in _OFFSETS:
            return self.predicted + min(aim - self.observed, slowest - self.bound)
        return self.predicted * min(aim / self.observed, slowest / self.bound)

    def against(self, goals: Sequence[Goal]) -> "Reading | None":
        """The same reading beside another number for its limit; None where there is none."""
        found = next((goal for goal in goals if goal.is_of(self.goal)), None)
        return None if found is None else replace(self, goal=found)


@dataclass(frozen=True)
class Tried:
    """A whole model that was measured before any recovery.

    Attributes:
        plan: what the plan is known by; "" for the unpruned model.
        divergence: of the outputs from the dense ones as the plan expects it, in nats.
        readings: of every limit that could be read.
        unreachable: where the cost model knows of no plan within the limits, what it says; this
            plan is then the nearest to them.
    """

    plan: str
    divergence: float
    readings: tuple[Reading, ...]
    unreachable: str = ""

    @property
    def meets(self) -> bool:
        """Whether every limit held."""
        return all(one.meets for one in self.readings)

    @property
    def excess(self) -> float:
        """The largest bound / limit; 0 where nothing is limited."""
        return max((one.excess for one in self.readings), default=0.0)

    @property
    def landed(self) -> bool:
        """Whether it meets every limit, and one of them just so."""
        shares = [one.observed / one.goal.aim for one in self.readings]
        return self.meets and max(shares, default=1.0) >= LANDED

    def against(self, goals: Sequence[Goal]) -> "Tried":
        """The same model beside other numbers for its limits."""
        judged = [one.against(goals) for one in self.readings]
        return replace(self, readings=tuple(one for one in judged if one), unreachable="")


def charges(goals: Sequence[Goal], tried: Sequence[Tried]) -> dict[Goal, float]:
    """What the next plan may be charged: each limit's aim, corrected by its last residual."""
    most = {goal: goal.aim for goal in goals}
    for one in tried:
        most |= {reading.goal: reading.most() for reading in one.readings if reading.goal in most}
    return most


def next_charges(goals: Sequence[Goal], tried: Sequence[Tried]) -> Mapping[Goal, float] | None:
    """What the next plan that is measured may be charged, or None where none is to be.

    Args:
        goals: the limits.
        tried: what was measured so far, in order, the unpruned model first.
    """
    last = tried[-1]
    planned = len(tried) - 1
    if planned >= MEASUREMENTS or last.landed:
        return None
    if not planned and last.meets:
        return None  # nothing need be pruned
    if last.unreachable and not last.meets:
        return None  # what the cost model said is now measured
    return charges(goals, tried)


def best(tried: Sequence[Tried]) -> Tried | None:
    """Of those that meet every limit the one that diverges least; of equals, the cheaper."""
    met = [one for one in tried if one.meets]
    return min(met, key=lambda one: (one.divergence, one.excess), default=None)


def nearest(tried: Sequence[Tried]) -> Tried:
    """The one that comes nearest to its limits; of equals, the one that diverges least."""
    return min(tried, key=lambda one: (one.excess, one.divergence))


def undominated(points: Sequence[tuple[float, float]]) -> list[bool]:
    """Of (cost, loss) pairs, which are not both dearer and worse than another; equals stay."""
    return [
        not any(other[0] <= cost and other[1] <= loss and other != (cost, loss) for other in points)
        for cost, loss in points
    ]
