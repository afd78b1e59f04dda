"""What widths cost, exactly and for many choices of widths at once.

A census counts channels one by one. Most groups occur in it evenly: an axis holds every channel of
a group equally often, or every pair of two groups' channels. Its size is then a polynomial in the
groups' widths, whichever channels go, and a thousand choices take a few matrix products. The terms
that are not even stay lists of channels, and live as the groups' order of removal says.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

import numpy as np
import numpy.typing as npt

from pipeline.graph.census import Census, Integers, Product, Rows

Unit = Literal["channels", "macs", "params", "size_bytes"]
Precision = Literal["fp32", "int8"]
_PAD = -1  # in lists of groups or axes of unequal lengths: a factor of one
_WORK = 1 << 21  # numbers held at once while products of many choices are taken


@dataclass(frozen=True)
class Ranking:
    """Whose every channel is, and its place in its group: 0 is the last to be removed.

    `sizes[g]` is the width of group g; `owner` and `place` go by the census's channels.
    """

    sizes: Integers
    owner: Integers
    place: Integers

    @classmethod
    def of(cls, scores: Sequence[npt.NDArray[np.float64]]) -> "Ranking":
        """By scores per group: the least goes first, ties by index."""
        sizes = np.array([len(one) for one in scores], np.int64)
        places = [np.empty(len(one), np.int64) for one in scores]
        for place, one in zip(places, scores, strict=True):
            place[np.argsort(one, kind="stable")] = np.arange(len(one))[::-1]
        everyone = np.concatenate([np.zeros(0, np.int64), *places])
        return cls(sizes, np.repeat(np.arange(len(sizes)), sizes), everyone)

    def alive(self, widths: Integers) -> npt.NDArray[np.bool_]:
        """Which channels live at these widths, `[..., groups]` to `[..., channels]`."""
        living: npt.NDArray[np.bool_] = self.place < widths[..., self.owner]
        return living


@dataclass(frozen=True)
class _Terms:
    """`count[t]` indices of axis `axis[t]` for every choice of one channel from each of the
    groups `of[t]`; or, where the terms are uneven, `of[t]` are the channels themselves."""

    axis: Integers
    count: Integers
    of: Integers


class Price:
    """The cost of widths in one unit."""

    def __init__(
        self, census: Census, ranking: Ranking, unit: Unit, precision: Precision = "fp32"
    ) -> None:
        """`size_bytes` is that of the trained parameters alone: four bytes each in fp32; in int8
        one byte for those of two or more dimensions and four for the others (biases, norms)."""
        self._ranking = ranking
        self._linear = np.full(len(ranking.sizes), int(unit == "channels"), np.int64)
        self._divisor = census.batch if unit == "macs" else 1
        products = _products(census, unit, precision)
        used = sorted({axis for _, axes in products for axis in axes})
        self._constant = census.constant[used]
        even, self._uneven = _split(_kept_rows(census.rows, used), ranking)
        self._monomials, column = _distinct(even.of)
        self._sizes = np.zeros((len(self._monomials), len(used)))
        np.add.at(self._sizes, (column, even.axis), even.count)
        self._factors = np.array([factor for factor, _ in products], np.int64)
        place = {axis: number for number, axis in enumerate(used)}
        self._axes = _padded([[place[axis] for axis in axes] for _, axes in products])

    def of(self, widths: Integers) -> int:
        """The cost of one choice of widths, `[groups]`."""
        return int(self.of_each(widths[None])[0])

    def of_each(self, widths: Integers) -> Integers:
        """The costs of many choices of widths, `[choices, groups]`."""
        step = max(1, _WORK // max(1, self._axes.size, self._sizes.shape[1]))
        parts = [self._part(widths[at : at + step]) for at in range(0, len(widths), step)]
        return np.concatenate([np.zeros(0, np.int64), *parts])

    def _part(self, widths: Integers) -> Integers:
        sizes = np.ones((len(widths), len(self._constant) + 1), np.int64)  # the last pads
        monomials = _product_of(_with_one(widths), self._monomials).astype(np.float64)
        sizes[:, :-1] = self._constant + np.rint(monomials @ self._sizes).astype(np.int64)
        if len(self._uneven.axis):
            sizes += self._of_uneven(widths, sizes.shape[1])
        products = self._factors * _product_of(sizes, self._axes)
        total: Integers = products.sum(axis=1) // self._divisor + widths @ self._linear
        return total

    def _of_uneven(self, widths: Integers, axes: int) -> Integers:
        alive = self._ranking.alive(widths)
        lives = np.append(alive, np.ones((len(widths), 1), np.bool_), axis=1)[:, self._uneven.of]
        sizes = np.zeros((axes, len(widths)), np.int64)
        np.add.at(sizes, self._uneven.axis, (lives.all(axis=2) * self._uneven.count).T)
        return sizes.T


def _products(census: Census, unit: Unit, precision: Precision) -> list[Product]:
    if unit == "macs":
        return list(census.macs)
    if unit == "params":
        return list(census.parameters)
    if unit == "channels":
        return []
    bytes_of = [1 if precision == "int8" and matrix else 4 for matrix in census.matrices]
    return [
        (factor * each, axes)
        for (factor, axes), each in zip(census.parameters, bytes_of, strict=True)
    ]


def _kept_rows(rows: Rows, used: Sequence[int]) -> list[_Terms]:
    """The rows of these axes (renumbered in this order), by how many channels a row has."""
    number = np.full(max([*used, *rows.axis.tolist()], default=0) + 1, _PAD)
    number[list(used)] = np.arange(len(used))
    axis = number[rows.axis]
    lengths = np.diff(np.append(rows.starts, len(rows.channels)))
    found = []
    for length in np.unique(lengths).tolist():
        chosen = np.flatnonzero((lengths == length) & (axis != _PAD))
        channels = rows.channels[rows.starts[chosen, None] + np.arange(length)]
        found.append(_Terms(axis[chosen], rows.count[chosen], np.sort(channels, axis=1)))
    return found


def _split(rows: Sequence[_Terms], ranking: Ranking) -> tuple[_Terms, _Terms]:
    """Even terms by their groups, and the others by their channels."""
    even: list[_Terms] = []
    uneven: list[_Terms] = []
    for terms in rows:
        merged = _merged(terms)
        groups = ranking.owner[merged.of]
        keys = np.column_stack([merged.axis, groups])
        unique, which = _distinct(keys)
        times = np.bincount(which, minlength=len(unique))
        least = np.full(len(unique), np.iinfo(np.int64).max)
        most = np.zeros(len(unique), np.int64)
        np.minimum.at(least, which, merged.count)
        np.maximum.at(most, which, merged.count)
        whole = (least == most) & (times == ranking.sizes[unique[:, 1:]].prod(axis=1))
        even.append(_Terms(unique[whole, 0], most[whole], unique[whole, 1:]))
        rest = ~whole[which]
        uneven.append(_Terms(merged.axis[rest], merged.count[rest], merged.of[rest]))
    return _joined(even), _joined(uneven)


def _merged(terms: _Terms) -> _Terms:
    """Rows of an axis with the same channels as one: other factors, never planned, told them
    apart."""
    unique, which = _distinct(np.column_stack([terms.axis, terms.of]))
    counts = np.zeros(len(unique), np.int64)
    np.add.at(counts, which, terms.count)
    return _Terms(unique[:, 0], counts, unique[:, 1:])


def _distinct(rows: Integers) -> tuple[Integers, Integers]:
    """The distinct rows, and which of them each row is. Sorted as one number per row where those
    fit, which is an order of magnitude faster than row by row."""
    spans = rows.max(axis=0, initial=0) + 2  # the least number is the pad, -1
    if np.prod(spans.astype(np.float64)) >= np.iinfo(np.int64).max:
        unique, which = np.unique(rows, axis=0, return_inverse=True)
        return unique, which.ravel()
    strides = np.cumprod(np.append(1, spans[::-1]))[-2::-1]
    _, first, which = np.unique((rows + 1) @ strides, return_index=True, return_inverse=True)
    return rows[first], which


def _joined(parts: Sequence[_Terms]) -> _Terms:
    nothing = np.zeros(0, np.int64)
    return _Terms(
        np.concatenate([nothing, *(part.axis for part in parts)]),
        np.concatenate([nothing, *(part.count for part in parts)]),
        _padded([row for part in parts for row in part.of.tolist()]),
    )


def _padded(lists: Sequence[Sequence[int]]) -> Integers:
    width = max(map(len, lists), default=0)
    result = np.full((len(lists), width), _PAD, np.int64)
    for row, items in zip(result, lists, strict=True):
        row[: len(items)] = items
    return result


def _with_one(widths: Integers) -> Integers:
    return np.append(widths, np.ones((len(widths), 1), np.int64), axis=1)


def _product_of(values: Integers, factors: Integers) -> Integers:
    """Products of columns of `values`, whose last is the one that pads."""
    result = np.ones((len(values), len(factors)), np.int64)
    for column in factors.T:
        result *= values[:, column]
    return result
