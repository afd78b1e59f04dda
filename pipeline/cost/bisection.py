"""Finding the edges of a staircase in few measurements. Pure.

Cost rises with width in steps. Where the wide end of an interval costs no more than the narrow
one, all of it is one plateau, and nothing inside needs measuring; else its middle is asked for.
"""

from bisect import bisect_left, bisect_right
from collections.abc import Mapping, Sequence
from itertools import pairwise

TOLERANCE = 0.02
"""Costs this near are equal: what a median of two processes repeats within."""


def next_widths(grid: Sequence[int], costs: Mapping[int, float]) -> list[int]:
    """The next widths of the grid to measure, all at once; none when every edge is known.

    Args:
        grid: the widths that may be asked for, ascending.
        costs: those that were measured.
    """
    if not costs:
        return sorted({grid[0], grid[-1], *([_middle(grid)] if len(grid) > 2 else [])})
    return [_middle(between) for pair in _open(costs) if (between := _between(grid, *pair))]


def ends(grid: Sequence[int], costs: Mapping[int, float]) -> tuple[int, ...]:
    """The near ends of plateaus: the widths that no wider one is as cheap as, ascending.

    Between two that differ, whatever was not measured counts as an end: it may be one.
    """
    unknown = {width for pair in _open(costs) for width in _between(grid, *pair)}
    measured = sorted(costs)
    known = {
        width
        for place, width in enumerate(measured)
        if all(costs[wider] > costs[width] * (1 + TOLERANCE) for wider in measured[place + 1 :])
    }
    return tuple(sorted(known | unknown))


def _open(costs: Mapping[int, float]) -> list[tuple[int, int]]:
    """Neighbours among the measured of which the wider costs more."""
    return [
        (narrow, wide)
        for narrow, wide in pairwise(sorted(costs))
        if costs[wide] > costs[narrow] * (1 + TOLERANCE)
    ]


def _between(grid: Sequence[int], narrow: int, wide: int) -> Sequence[int]:
    return grid[bisect_right(grid, narrow) : bisect_left(grid, wide)]


def _middle(widths: Sequence[int]) -> int:
    """Of the middle half the width with the most factors of two: edges lie on tiles."""
    quarter = len(widths) // 4
    middle = widths[quarter : len(widths) - quarter]
    centre = (widths[0] + widths[-1]) / 2
    return max(middle, key=lambda width: (width & -width, -abs(width - centre)))
