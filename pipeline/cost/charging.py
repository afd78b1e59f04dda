"""Sites as a planner's terms: their cost at every combination of the legal widths of groups."""

from collections.abc import Callable, Mapping, Sequence

import numpy as np

from pipeline.cost.features import Floats
from pipeline.cost.sites import Site, Size
from pipeline.prune.limits import Legal, Term

SiteCost = Callable[[Site, Floats], Floats]
"""The cost of a site at many widths of its axes, `[n, axes]` to `[n]`."""

_Place = tuple[tuple[str, ...], tuple[str, ...]]  # groups and blocks
_TOLD = 3


def terms(sites: Sequence[Site], legal: Legal, cost: SiteCost) -> tuple[Term, ...]:
    """The sites as terms; those that depend on the same groups and blocks are one."""
    values: dict[_Place, Floats] = {}
    names: dict[_Place, list[str]] = {}
    for site in sites:
        groups = tuple(sorted(site.groups()))
        place = groups, site.blocks
        found = cost(site, widths_of(site, groups, legal))
        shape = tuple(len(legal.widths[group]) for group in groups)
        values[place] = values.get(place, np.zeros(shape)) + found.reshape(shape)
        names.setdefault(place, []).append(site.name)
    return tuple(
        Term(groups, found, blocks, _told(names[groups, blocks]))
        for (groups, blocks), found in values.items()
    )


def widths_of(site: Site, groups: Sequence[str], legal: Legal) -> Floats:
    """The widths of a site's axes at every combination, the last group's changing fastest."""
    grids = np.meshgrid(*(np.array(legal.widths[group]) for group in groups), indexing="ij")
    at = {group: grid.ravel().astype(np.float64) for group, grid in zip(groups, grids, strict=True)}
    count = len(next(iter(at.values()))) if at else 1
    return np.column_stack([np.zeros((count, 0)), *(size_at(one, at, count) for one in site.sizes)])


def size_at(size: Size, widths: Mapping[str, Floats], count: int) -> Floats:
    """A size for many widths of groups at once."""
    total = np.full(count, size.constant)
    for factor, names in size.terms:
        total = total + factor * np.prod([widths[name] for name in names], axis=0)
    return total


def _told(names: Sequence[str]) -> str:
    more = f" and {len(names) - _TOLD} more" if len(names) > _TOLD else ""
    return ", ".join(names[:_TOLD]) + more
