"""What a choice of channels leaves, as plain numbers: sizes of axes, multiply-accumulates, weights.

Holds no tensors and knows no graph: planning asks it thousands of questions in milliseconds.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Mask = npt.NDArray[np.bool_]
Integers = npt.NDArray[np.int64]
Product = tuple[int, tuple[int, ...]]  # a constant times the kept sizes of these axes
_NONE: Integers = np.zeros(0, np.int64)


@dataclass(frozen=True)
class Rows:
    """Terms in axes: row r is the product of `channels[starts[r]:starts[r + 1]]` in `axis[r]`,
    where it stands for `count[r]` indices."""

    axis: Integers
    count: Integers
    starts: Integers
    channels: Integers

    def members(self) -> list[list[int]]:
        """The channels of every row."""
        ends = [*self.starts[1:].tolist(), len(self.channels)]
        pairs = zip(self.starts.tolist(), ends, strict=False)  # no rows have an end all the same
        return [self.channels[start:end].tolist() for start, end in pairs]

    def lengths(self) -> Integers:
        """How many channels every row needs."""
        return np.diff(np.append(self.starts, len(self.channels)))

    def families(self, owner: Integers) -> list[tuple[int, ...]]:
        """The distinct sets of owners whose channels share a row; `owner` goes by channel."""
        found: set[tuple[int, ...]] = set()
        lengths = self.lengths()
        for length in np.unique(lengths[lengths > 1]).tolist():
            starts = self.starts[lengths == length]
            owners = owner[self.channels[starts[:, None] + np.arange(length)]]
            found |= {tuple(row) for row in np.unique(np.sort(owners, axis=1), axis=0).tolist()}
        return sorted({tuple(sorted(set(family))) for family in found})


@dataclass(frozen=True)
class Census:
    """`constant[a]` indices of axis a live always, the others as their rows say.

    `macs` are those of a whole batch; `parameters` counts the elements of trained parameters, of
    which `matrices` says which have two dimensions or more.
    """

    channels: int
    constant: Integers
    rows: Rows
    macs: tuple[Product, ...]
    batch: int
    parameters: tuple[Product, ...]
    matrices: tuple[bool, ...] = ()

    def kept(self, alive: Mask) -> Integers:
        """The kept size of every axis, given which channels live."""
        rows = self.rows
        if not len(rows.starts):
            return self.constant
        lives = np.logical_and.reduceat(alive[rows.channels], rows.starts)
        sizes = np.bincount(rows.axis, rows.count * lives, len(self.constant))
        return self.constant + sizes.astype(np.int64)

    def kept_without(self, owner: Integers, groups: int) -> Integers:
        """The sizes of all axes, `[groups, axes]`, when each group goes by itself. `owner` is the
        group of every channel."""
        row = np.repeat(np.arange(len(self.rows.starts)), self.rows.lengths())
        keys = np.unique(owner[self.rows.channels] * len(self.rows.starts) + row)
        group, row = np.divmod(keys, max(1, len(self.rows.starts)))
        sizes = np.tile(self.kept(self.everything()), (groups, 1))
        np.subtract.at(sizes, (group, self.rows.axis[row]), self.rows.count[row])
        return sizes

    def count_macs(self, alive: Mask) -> int:
        """Multiply-accumulates per example."""
        return total(self.macs, self.kept(alive)) // self.batch

    def count_parameters(self, alive: Mask) -> int:
        """Elements of all trained parameters."""
        return total(self.parameters, self.kept(alive))

    def everything(self) -> Mask:
        """The choice that keeps all channels."""
        return np.ones(self.channels, np.bool_)


def total(products: Sequence[Product], kept: Integers) -> int:
    """The sum of products for axes of these sizes."""
    sizes = kept.tolist()
    result = 0
    for constant, axes in products:
        value = constant
        for axis in axes:
            value *= sizes[axis]
        result += value
    return result


def totals(products: Sequence[Product], kept: Integers) -> Integers:
    """The same for many choices at once, `[choices, axes]` to `[choices]`."""
    result = np.zeros(len(kept), np.int64)
    for constant, axes in products:
        result += constant * kept[:, list(axes)].prod(axis=1)
    return result


class Axes:
    """Numbers the axes and gathers their terms while a census is taken."""

    def __init__(self) -> None:
        """No axes yet."""
        self.constant: list[int] = []
        self._counts: list[Integers] = [_NONE]
        self._lengths: list[Integers] = [_NONE]
        self._channels: list[Integers] = [_NONE]

    def add(self, constant: int, counts: Integers, lengths: Integers, channels: Integers) -> None:
        """The next axis: `constant` lasting indices, and terms that each stand for `counts[t]`
        indices and need the next `lengths[t]` of the channels."""
        self.constant.append(constant)
        self._counts.append(counts)
        self._lengths.append(lengths)
        self._channels.append(channels)

    def rows(self) -> Rows:
        """All terms so far."""
        axis = np.repeat(np.arange(len(self.constant)), [len(one) for one in self._counts[1:]])
        ends = np.cumsum(np.concatenate(self._lengths))
        starts = np.concatenate([_NONE, np.zeros(int(len(ends) > 0), np.int64), ends[:-1]])
        return Rows(axis, np.concatenate(self._counts), starts, np.concatenate(self._channels))
