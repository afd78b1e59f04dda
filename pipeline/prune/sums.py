"""Terms of many groups whose widths count only as their sum, as those of a concat or of a padded
stream do: three groups of twelve widths are 1,728 combinations, and a few dozen sums."""

from collections.abc import Collection, Mapping

import numpy as np

from pipeline.graph.census import Integers
from pipeline.prune.allocation import Floats

Axis = tuple[str, ...]
"""One group, or several of which only the sum of their widths counts."""

_ALIKE = 1e-9  # of the largest value


def summed(
    groups: Axis, values: Floats, widths: Mapping[str, tuple[int, ...]], free: Collection[str]
) -> tuple[tuple[Axis, ...], Floats]:
    """The same table with groups put together wherever only their sum counts.

    Args:
        groups: the groups of the table's axes.
        values: a value for every combination of their widths.
        widths: the legal widths of every group.
        free: groups that may be put together.

    Returns the axes and the smaller table, ascending sums along each.
    """
    axes: list[Axis] = [(name,) for name in groups]
    sizes = [np.array(widths[name], np.int64) for name in groups]
    one = 0
    while one < len(axes):
        two = one + 1
        while two < len(axes):
            merged = _merged(values, one, two, sizes) if _may(axes, one, two, free) else None
            if merged is None:
                two += 1
                continue
            values, sums = merged
            axes[one], sizes[one] = (*axes[one], *axes[two]), sums
            del axes[two], sizes[two]
        one += 1
    return tuple(axes), values


def sums_of(left: Integers, right: Integers) -> tuple[Integers, Integers]:
    """The distinct sums of two lists of widths, and which of them each pair has."""
    distinct, which = np.unique(np.add.outer(left, right), return_inverse=True)
    return distinct, which.reshape(len(left), len(right))


def _may(axes: list[Axis], one: int, two: int, free: Collection[str]) -> bool:
    return all(name in free for name in (*axes[one], *axes[two]))


def _merged(
    values: Floats, one: int, two: int, sizes: list[Integers]
) -> tuple[Floats, Integers] | None:
    """The table with axis `two` put into axis `one`, and the sums there; None where it can't be,
    or where all sums differ."""
    distinct, which = sums_of(sizes[one], sizes[two])
    if len(distinct) == which.size:
        return None
    moved = np.moveaxis(values, (one, two), (0, 1))
    rows = moved.reshape(which.size, -1)
    first = np.unique(which, return_index=True)[1]
    fewer = rows[first]
    if np.abs(rows - fewer[which.ravel()]).max(initial=0.0) > _ALIKE * np.abs(rows).max(initial=0):
        return None
    return np.moveaxis(fewer.reshape(len(distinct), *moved.shape[2:]), 0, one), distinct
