"""Choosing widths under a limit on cost: the same share everywhere, or by importance."""

from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from pipeline.graph.census import Census, Integers
from pipeline.prune.pricing import Price, Ranking
from pipeline.prune.widths import Choices, nearest

Floats = npt.NDArray[np.float64]
_STEPS = 40  # of bisection: far finer than one channel of the widest group


@dataclass(frozen=True)
class Problem:
    """The widths that are open, what they cost, and the most that they may cost.

    `axes[g]` is of how many groups the largest product with group g is one of.
    """

    choices: Choices
    ranking: Ranking
    axes: Integers
    price: Price
    most: int

    @property
    def narrowest(self) -> Integers:
        """The least allowed width of every group."""
        return np.array([widths[0] for widths in self.choices.widths], np.int64)

    def fits(self, widths: Integers) -> bool:
        """Whether these widths cost no more than they may."""
        return self.price.of(widths) <= self.most

    def within(self, most: int) -> "Problem":
        """The same problem with another limit."""
        return replace(self, most=most)


def at_ratio(problem: Problem, ratio: float) -> Integers:
    """Every group at the allowed width nearest to this share less."""
    pairs = zip(problem.choices.widths, problem.ranking.sizes.tolist(), strict=True)
    return np.array([nearest(widths, size * (1 - ratio)) for widths, size in pairs], np.int64)


def uniform(problem: Problem) -> Integers:
    """The smallest ratio for all groups that fits; of its last step, and of what is left of the
    limit after it, as much as fits is given back, to the groups that lost the most first."""
    low, high = 0.0, 1.0
    sizes = problem.ranking.sizes.tolist()
    if problem.fits(at_ratio(problem, low)):
        return at_ratio(problem, low)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        low, high = (low, middle) if problem.fits(at_ratio(problem, middle)) else (middle, high)
    widths = at_ratio(problem, high)
    for group, wider in enumerate(at_ratio(problem, low).tolist()):
        widths = _if_it_fits(problem, widths, group, wider)
    return _widened(problem, widths, [np.arange(size, 0, -1) / size for size in sizes])


def by_importance(problem: Problem, scores: Sequence[Floats], *, of_loss: bool) -> Integers:
    """Keep the channels of the most importance per cost, whichever group they are in.

    A tighter limit only ever raises the threshold: costs are those of the dense model. Of axes
    that multiply, each gives up a root of what it would alone, so that together they leave what
    was meant. Then single groups are widened while that fits, the most worthy channels first.

    Args:
        problem: the widths that are open.
        scores: per group, importance that can be compared between groups.
        of_loss: whether scores are shares of the model's loss, so that importance per cost is
            score over cost. Others are relative to their group's mean: a group's importance is
            then taken to be what it costs, and importance per cost is the score itself.
    """
    worth = _worth(problem, scores) if of_loss else [np.sort(own)[::-1] for own in scores]
    thresholds = np.unique(np.concatenate([np.zeros(1), *worth]))
    low, high = -1, len(thresholds)  # a threshold of `low` is too low, all above `high` fit
    while high - low > 1:
        middle = (low + high) // 2
        fitting = problem.fits(_above(problem, worth, float(thresholds[middle])))
        low, high = (low, middle) if fitting else (middle, high)
    threshold = float(thresholds[high]) if high < len(thresholds) else np.inf
    return _widened(problem, _above(problem, worth, threshold), worth)


def _worth(problem: Problem, scores: Sequence[Floats]) -> list[Floats]:
    """Score over cost, from the last channel to go to the first. A channel costs what those of its
    group cost on average."""
    dense = problem.ranking.sizes
    each = np.tile(dense, (len(dense), 1))
    np.fill_diagonal(each, problem.narrowest)
    saved = problem.price.of(dense) - problem.price.of_each(each)
    cost = np.maximum(saved, 1) / np.maximum(dense - problem.narrowest, 1)
    return [np.sort(own)[::-1] / one for own, one in zip(scores, cost, strict=True)]


def _above(problem: Problem, worth: Sequence[Floats], threshold: float) -> Integers:
    """Every group wide enough for its channels of at least this worth, where allowed."""
    counts = [int(np.count_nonzero(own >= threshold)) for own in worth]
    sizes = problem.ranking.sizes
    wanted = sizes * (np.array(counts, np.float64) / sizes) ** (1 / problem.axes)
    pairs = zip(problem.choices.widths, wanted.round(6).tolist(), strict=True)
    chosen = [next((w for w in widths if w >= least), widths[-1]) for widths, least in pairs]
    return np.array(chosen, np.int64)


def _widened(problem: Problem, widths: Integers, worth: Sequence[Floats]) -> Integers:
    """One step wider at a time, while any fits."""
    while True:
        steps = [_next_width(problem, widths, group) for group in range(len(widths))]
        each = np.tile(widths, (len(widths), 1))
        np.fill_diagonal(each, steps)
        fitting = (problem.price.of_each(each) <= problem.most) & (np.array(steps) > widths)
        if not fitting.any():
            return widths
        gains = [
            float(own[width:step].mean()) if fits else -np.inf
            for own, width, step, fits in zip(worth, widths, steps, fitting, strict=True)
        ]
        widths = each[int(np.argmax(gains))]


def _next_width(problem: Problem, widths: Integers, group: int) -> int:
    """The next allowed width of a group, or the one that it has."""
    allowed = problem.choices.widths[group]
    return next((width for width in allowed if width > widths[group]), allowed[-1])


def axes_of(census: Census, ranking: Ranking) -> Integers:
    """Of how many groups the largest product with each group is one of; 1 for most."""
    rows = census.rows
    lengths = np.diff(np.append(rows.starts, len(rows.channels)))
    most = np.ones(len(ranking.sizes), np.int64)
    np.maximum.at(most, ranking.owner[rows.channels], np.repeat(lengths, lengths))
    return most


def _if_it_fits(problem: Problem, widths: Integers, group: int, width: int) -> Integers:
    changed = widths.copy()
    changed[group] = width
    return changed if width > widths[group] and problem.fits(changed) else widths
