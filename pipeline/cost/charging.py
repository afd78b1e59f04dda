"""Sites as a planner's terms: their cost at every combination of the legal widths of groups.

A site that reads a concat of many groups has too many combinations. What counts of them is their
sum, so its cost is told as a straight line along the sum at every combination of its other groups:
exact for bytes and elements, and for time what a fit says, as near as a staircase is to its slope.
"""

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from math import prod

import numpy as np

from pipeline.cost.features import Floats
from pipeline.cost.sites import Site, Size
from pipeline.cost.slopes import Straight, straightened
from pipeline.prune.limits import Legal, Slope, Term

SiteCost = Callable[[Site, Floats], Floats]
"""The cost of a site at many widths of its axes, `[n, axes]` to `[n]`."""

MOST = 1 << 14
"""Combinations of widths that a site is charged one by one."""

_Parts = tuple[tuple[str, float], ...]
_Place = tuple[tuple[str, ...], tuple[str, ...], tuple[_Parts, ...]]  # groups, blocks, sums
_TOLD = 3


@dataclass
class _Sum:
    """What sites that depend on the same add up to."""

    values: Floats
    slopes: list[Floats]
    names: list[str] = field(default_factory=list)


def terms(sites: Sequence[Site], legal: Legal, cost: SiteCost) -> tuple[Term, ...]:
    """The sites as terms; those that depend on the same groups and blocks are one."""
    found: dict[_Place, _Sum] = {}
    for site in sites:
        for term in _terms_of(site, legal, cost):
            parts = tuple(slope.parts for slope in term.slopes)
            nothing = [np.zeros_like(term.values) for _ in parts]
            place = term.groups, term.blocks, parts
            own = found.setdefault(place, _Sum(np.zeros_like(term.values), nothing))
            own.values = own.values + term.values
            own.slopes = [
                before + slope.values for before, slope in zip(own.slopes, term.slopes, strict=True)
            ]
            own.names.append(site.name)
    return tuple(
        Term(groups, own.values, blocks, _told(own.names), tuple(map(Slope, parts, own.slopes)))
        for (groups, blocks, parts), own in found.items()
    )


def _terms_of(site: Site, legal: Legal, cost: SiteCost) -> Iterator[Term]:
    groups = tuple(sorted(site.groups()))
    shape = tuple(len(legal.widths[group]) for group in groups)
    if prod(shape) <= MOST:
        values = cost(site, widths_of(site, groups, legal)).reshape(shape)
        yield Term(groups, values, site.blocks)
        return
    made = straightened(site, legal, lambda at: cost(site, _axes_at(site, at)))
    if made.groups:
        yield Term(made.groups, made.values, site.blocks, slopes=made.slopes)
    else:
        yield from _apart(made, site, legal)


def _apart(made: Straight, site: Site, legal: Legal) -> Iterator[Term]:
    """A cost that grows with sums alone as a term for each group in them."""
    yield Term((), made.values, site.blocks)
    for slope in made.slopes:
        for name, times in slope.parts:
            widths = np.array(legal.widths[name], np.float64)
            yield Term((name,), widths * (times * float(slope.values)), site.blocks)


def widths_of(site: Site, groups: Sequence[str], legal: Legal) -> Floats:
    """The widths of a site's axes at every combination, the last group's changing fastest."""
    grids = np.meshgrid(*(np.array(legal.widths[group]) for group in groups), indexing="ij")
    at = {group: grid.ravel().astype(np.float64) for group, grid in zip(groups, grids, strict=True)}
    return _axes_at(site, at)


def _axes_at(site: Site, at: Mapping[str, Floats]) -> Floats:
    """The widths of a site's axes for many widths of groups at once, `[n, axes]`."""
    count = len(next(iter(at.values()))) if at else 1
    return np.column_stack([np.zeros((count, 0)), *(size_at(one, at, count) for one in site.sizes)])


def size_at(size: Size, widths: Mapping[str, Floats], count: int) -> Floats:
    """A size for many widths of groups at once."""
    total = np.full(count, size.constant)
    for factor, names in size.terms:
        total = total + factor * np.prod([widths[name] for name in names], axis=0)
    return total


def _told(names: Sequence[str]) -> str:
    names = list(dict.fromkeys(names))
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
