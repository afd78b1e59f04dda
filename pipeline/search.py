"""The only loop: from what was measured to the next pruning ratio. Pure.

Latency does not depend on the weights, so a ratio is tried by exporting and measuring before any
recovery. The least ratio that meets every limit on every runtime keeps the most accuracy; it is
found by bisection over a grid, as cost falls with the ratio (up to noise).
"""

from collections.abc import Sequence
from dataclasses import dataclass

RATIOS = tuple(eighths / 8 for eighths in range(8))
"""The grid. Ratio 0 is the unpruned candidate; the last leaves an eighth of each group."""

HEADROOM = 0.95
"""A short sitting must stay under this share of a limit, so that the full one is decided."""


@dataclass(frozen=True)
class Tried:
    """A ratio that was measured.

    Attributes:
        ratio: the share of each group's channels that was removed.
        excess: the largest observed / budget over all limits and runtimes; 1.0 is at the limit.
        limit: the limit (and runtime) behind that excess.
    """

    ratio: float
    excess: float
    limit: str

    @property
    def meets(self) -> bool:
        """Whether every limit held with headroom."""
        return self.excess <= HEADROOM


def next_ratio(tried: Sequence[Tried], ratios: Sequence[float] = RATIOS) -> float | None:
    """The next ratio to try, or None when the least one that meets the limits is known.

    Args:
        tried: what was measured so far, in any order.
        ratios: the grid, ascending.
    """
    if not any(one.ratio == ratios[0] for one in tried):
        return ratios[0]
    met = [ratios.index(one.ratio) for one in tried if one.meets]
    missed = [ratios.index(one.ratio) for one in tried if not one.meets]
    upper = min(met, default=len(ratios))
    lower = max((index for index in missed if index < upper), default=-1)
    if upper - lower <= 1:
        return None
    return ratios[(lower + upper) // 2]


def best(tried: Sequence[Tried]) -> Tried:
    """The least ratio that meets the limits; where none does, the one that comes nearest."""
    met = [one for one in tried if one.meets]
    if met:
        return min(met, key=lambda one: one.ratio)
    return min(tried, key=lambda one: (one.excess, one.ratio))


def escalate(ratio: float, ratios: Sequence[float] = RATIOS) -> float | None:
    """The next larger ratio, for a candidate whose full measuring missed what the short one met."""
    larger = [one for one in ratios if one > ratio]
    return larger[0] if larger else None
