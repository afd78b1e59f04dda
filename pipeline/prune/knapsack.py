"""Widths of the least divergence under a limit on cost: dynamic programming over groups × widths.

A multiple-choice knapsack (Kellerer, Pferschy, Pisinger 2004, chapter 11), as SPDY (Frantar and
Alistarh 2022, section 3.1) uses it, but with exact costs. A network's costs are no sums over
groups: a layer costs the product of its input's and its output's width. So costs are taken one
group at a time around the best widths so far, the programme is solved for many limits at once,
and of its answers the one that fits in truth and diverges least becomes the next best, until
none improves. Exchanges between pairs of groups, at their true cost, finish what that leaves.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from math import isqrt

import numpy as np

from pipeline.graph.census import Integers
from pipeline.prune.allocation import Floats, Problem, uniform
from pipeline.prune.widths import Choices, Widths

_CELLS = 2000  # costs are rounded up to this many steps of what there is to distribute
_BEYOND = 1.5  # the programme is solved up to this share of it: true costs may be lower
_ANSWERS = 96  # limits below that for which its answer is tried
_ROUNDS = 12
_OPTIONS = 24  # widths per group that the programme sees; exchanges see all
_PAIRS = 10_000  # exchanges tried at once
NOT_MEASURED = "its sensitivity was not measured"


@dataclass(frozen=True)
class _Table:
    """Per group: its widths, and the divergence of each."""

    widths: tuple[Widths, ...]
    losses: tuple[Floats, ...]

    def loss(self, chosen: Integers) -> float:
        """The divergence of these widths, summed over groups."""
        total = 0.0
        for widths, losses, width in zip(self.widths, self.losses, chosen.tolist(), strict=True):
            total += float(losses[widths.index(width)])
        return total


def measured_choices(
    choices: Choices,
    sizes: Sequence[int],
    names: Sequence[str],
    divergence: Mapping[str, Mapping[int, float]],
) -> Choices:
    """The choices no narrower than what was measured; groups without a measurement stay whole."""
    unknown = {
        number: NOT_MEASURED
        for number, (name, reason) in enumerate(zip(names, choices.reasons, strict=True))
        if reason is None and not divergence.get(name)
    }
    left = choices.without(unknown, sizes)
    widths = [
        tuple(width for width in own if width >= min(divergence[name])) or own[-1:]
        if reason is None
        else own
        for own, name, reason in zip(left.widths, names, left.reasons, strict=True)
    ]
    return Choices(tuple(widths), left.reasons)


def losses_of(widths: Widths, size: int, measured: Mapping[int, float]) -> Floats:
    """The divergence of every width, linear between those measured, 0 at full size. A wider group
    never counts as worse than a narrower one: such a measurement is noise."""
    known = {**measured, size: 0.0}
    at = np.array(sorted(known), np.float64)
    falling = np.maximum.accumulate([known[int(width)] for width in at[::-1]])[::-1]
    return np.interp(np.array(widths, np.float64), at, falling)


def least_divergence(
    problem: Problem, names: Sequence[str], divergence: Mapping[str, Mapping[int, float]]
) -> Integers:
    """The widths that fit and diverge least.

    Args:
        problem: choices that `measured_choices` gave, of which the narrowest fit.
        names: the groups' names.
        divergence: per group and kept width, as measured.
    """
    sizes = problem.ranking.sizes.tolist()
    table = _Table(
        problem.choices.widths,
        tuple(
            losses_of(widths, size, divergence.get(name, {}))
            for widths, size, name in zip(problem.choices.widths, sizes, names, strict=True)
        ),
    )
    best = uniform(problem)
    for _ in range(_ROUNDS):
        better = _programmed(problem, _thinned(table, best), best)
        if _rank(problem, table, better) >= _rank(problem, table, best):
            break
        best = better
    return _exchanged(problem, table, best)


def _rank(problem: Problem, table: _Table, widths: Integers) -> tuple[float, int]:
    return table.loss(widths), problem.price.of(widths)


def _thinned(table: _Table, best: Integers) -> _Table:
    """At most some widths per group, evenly, the best so far among them."""
    widths, losses = [], []
    for own, loss, now in zip(table.widths, table.losses, best.tolist(), strict=True):
        some = np.linspace(0, len(own) - 1, min(len(own), _OPTIONS)).round().astype(int)
        chosen = sorted({*some.tolist(), own.index(now)})
        widths.append(tuple(own[index] for index in chosen))
        losses.append(loss[chosen])
    return _Table(tuple(widths), tuple(losses))


def _programmed(problem: Problem, table: _Table, best: Integers) -> Integers:
    """The best that the programme finds with costs taken around the best so far."""
    costs = _costs_around(problem, table, best)
    least = [int(cost.min()) for cost in costs]
    room = problem.most - problem.price.of(best) - sum(least)
    cell = max(1, -(-room // _CELLS))
    cells = [-(-(cost - low) // cell) for cost, low in zip(costs, least, strict=True)]
    limits = np.unique(np.linspace(0, int(_BEYOND * room / cell), _ANSWERS).astype(np.int64))
    limits = np.unique(np.append(limits, room // cell))
    answers = _solve(cells, table, limits)
    fitting = answers[problem.price.of_each(answers) <= problem.most]
    candidates = [best, *fitting]
    return min(candidates, key=lambda widths: _rank(problem, table, widths))


def _costs_around(problem: Problem, table: _Table, best: Integers) -> list[Integers]:
    """Per group and width, what the cost changes by when that group alone takes that width."""
    counts = [len(widths) for widths in table.widths]
    each = np.repeat(best[None], sum(counts), axis=0)
    owner = np.repeat(np.arange(len(counts)), counts)
    each[np.arange(len(each)), owner] = [width for widths in table.widths for width in widths]
    change = problem.price.of_each(each) - problem.price.of(best)
    return np.split(change, np.cumsum(counts)[:-1])


def _solve(cells: Sequence[Integers], table: _Table, limits: Integers) -> Integers:
    """For each limit, the widths whose costs, summed over groups, stay within it at least loss."""
    size = int(limits.max()) + 1
    value = np.zeros(size)
    picks = []
    for costs, losses in zip(cells, table.losses, strict=True):
        best, pick = np.full(size, np.inf), np.zeros(size, np.int64)
        for option, (cost, loss) in enumerate(zip(costs.tolist(), losses.tolist(), strict=True)):
            if cost < size:
                found = value[: size - cost] + loss
                lower = found < best[cost:]
                best[cost:][lower] = found[lower]
                pick[cost:][lower] = option
        value = best
        picks.append(pick)
    return _traced_back(cells, table, picks, limits[np.isfinite(value[limits])])


def _traced_back(
    cells: Sequence[Integers], table: _Table, picks: Sequence[Integers], left: Integers
) -> Integers:
    chosen = np.zeros((len(left), len(picks)), np.int64)
    for group in range(len(picks) - 1, -1, -1):
        option = picks[group][left]
        chosen[:, group] = np.array(table.widths[group])[option]
        left = left - cells[group][option]
    return chosen


def _exchanged(problem: Problem, table: _Table, best: Integers) -> Integers:
    """Change one group, or two at once, while that lowers the divergence and fits."""
    while True:
        one = _changes(table, best)
        tried = np.concatenate([best[None], one, _pairs(problem, table, best, one)])
        fitting = tried[problem.price.of_each(tried) <= problem.most]
        better = fitting[int(np.argmin(_losses(table, fitting)))]
        if table.loss(better) >= table.loss(best):
            return best
        best = better


def _losses(table: _Table, many: Integers) -> Floats:
    total = np.zeros(len(many))
    for widths, losses, chosen in zip(table.widths, table.losses, many.T, strict=True):
        total += losses[np.searchsorted(np.array(widths), chosen)]
    return total


def _changes(table: _Table, best: Integers) -> Integers:
    """One group at another width: at any where they are few, else a step up or down."""
    near = sum(map(len, table.widths)) ** 2 > _PAIRS
    groups, widths = [], []
    for group, (own, now) in enumerate(zip(table.widths, best.tolist(), strict=True)):
        at = own.index(now)
        some = own[max(0, at - 1) : at + 2] if near else own
        widths += [width for width in some if width != now]
        groups += [group] * (len(some) - 1)
    changed = np.repeat(best[None], len(groups), axis=0)
    changed[np.arange(len(groups)), np.array(groups, np.int64)] = widths
    return changed


def _pairs(problem: Problem, table: _Table, best: Integers, one: Integers) -> Integers:
    """A group wider and another narrower: of either, those that promise most per cost."""
    gain = table.loss(best) - _losses(table, one)
    cost = problem.price.of_each(one) - problem.price.of(best)
    rate = gain / np.where(cost == 0, 1, cost)
    wider, narrower = np.flatnonzero(cost > 0), np.flatnonzero(cost < 0)
    most = isqrt(_PAIRS)
    wider = wider[np.argsort(-rate[wider], kind="stable")[:most]]
    narrower = narrower[np.argsort(rate[narrower], kind="stable")[:most]]
    up, down = np.repeat(wider, len(narrower)), np.tile(narrower, len(wider))
    both: Integers = one[up] + one[down] - best
    group = np.argmax(one != best, axis=1)
    apart: Integers = both[group[up] != group[down]]
    return apart
