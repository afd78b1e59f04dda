"""Costs of sites that depend on sums of many widths, as straight lines along those sums.

Groups that count alike for every axis of a site (a concat's, for the layer that reads it) matter
only as one sum. Each sum gets a slope, by least squares of relative error over sums between the
narrowest and the widest; groups that no other counts like keep their combinations, where there are
few enough.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from math import prod

import numpy as np

from pipeline.cost.features import Floats
from pipeline.cost.sites import Site
from pipeline.prune.limits import Legal, Slope

WidthsCost = Callable[[Mapping[str, Floats]], Floats]
"""The cost of a site at many widths of its groups, each `[n]`, to `[n]`."""

MOST_OWN = 1 << 12
"""Combinations of the groups that stay out of sums."""

_SIDES = 3
"""What multiplies has no more: what comes in, what goes out, and what both go along with. A concat
of more only adds up."""

_LEVELS = 9  # of all sums together, from the narrowest to the widest
_ALONE = (0.0, 0.5, 1.0)  # of one sum beside the others at their widest and at their middle
_DIGITS = 9  # to which factors are alike


@dataclass(frozen=True)
class Straight:
    """A cost at every combination of some groups, and what it grows by with sums of others."""

    groups: tuple[str, ...]
    values: Floats
    slopes: tuple[Slope, ...]


def straightened(site: Site, legal: Legal, cost: WidthsCost) -> Straight:
    """A site's cost along the sums that it depends on."""
    own, sums = _split(site, legal)
    shape = tuple(len(legal.widths[name]) for name in own)
    grids = np.meshgrid(*(np.array(legal.widths[name], np.float64) for name in own), indexing="ij")
    levels = _levels(len(sums))
    count = prod(shape)
    at = {name: np.repeat(grid.ravel(), len(levels)) for name, grid in zip(own, grids, strict=True)}
    totals = np.zeros((len(levels), len(sums)))
    for place, parts in enumerate(sums):
        for name, times in parts:
            widths = np.array(legal.widths[name], np.float64)
            chosen = widths[np.rint(levels[:, place] * (len(widths) - 1)).astype(np.int64)]
            totals[:, place] += times * chosen
            at[name] = np.tile(chosen, count)
    lines = _lines(totals, cost(at).reshape(count, len(levels)))
    slopes = (Slope(parts, lines[:, 1 + place].reshape(shape)) for place, parts in enumerate(sums))
    return Straight(own, lines[:, 0].reshape(shape), tuple(slopes))


def _split(site: Site, legal: Legal) -> tuple[tuple[str, ...], list[tuple[tuple[str, float], ...]]]:
    """The groups that keep their combinations, and the sums of the others with their factors."""
    alike: dict[tuple[float, ...], list[tuple[str, float]]] = {}
    own = [name for name in sorted(site.groups()) if _multiplies(site, name)]
    for name in sorted(set(site.groups()) - set(own)):
        factors = [
            sum(factor for factor, names in size.terms if names == (name,)) for size in site.sizes
        ]
        most = max(factors)
        direction = tuple(round(factor / most, _DIGITS) for factor in factors)
        alike.setdefault(direction, []).append((name, most))
    if len(alike) <= _SIDES:
        single = [parts[0][0] for parts in alike.values() if len(parts) == 1]
        for name in sorted(single, key=lambda name: (len(legal.widths[name]), name)):
            if prod(len(legal.widths[other]) for other in (*own, name)) <= MOST_OWN:
                own.append(name)
    sums = [tuple(parts) for parts in alike.values() if not {name for name, _ in parts} & set(own)]
    return tuple(sorted(own)), sums


def _multiplies(site: Site, group: str) -> bool:
    """Whether an axis has a product of this group's width with another's."""
    return any(
        group in names and names != (group,) for size in site.sizes for _, names in size.terms
    )


def _levels(count: int) -> Floats:
    """Places between the narrowest and the widest, 0 to 1, one row for every sample of the sums."""
    rows = [np.full(count, level) for level in np.linspace(0.0, 1.0, _LEVELS)]
    for place in range(count):
        for others in (0.5, 1.0):
            for level in _ALONE:
                row = np.full(count, others)
                row[place] = level
                rows.append(row)
    return np.array(rows)


def _lines(totals: Floats, costs: Floats) -> Floats:
    """For each row of costs, `[rows, samples]`, a constant and a slope for each of the sums,
    `[samples, sums]`."""
    scale = np.maximum(totals.max(axis=0, initial=0.0), 1.0)
    features = np.column_stack([np.ones(len(totals)), totals / scale])
    found = np.zeros((len(costs), features.shape[1]))
    for row, own in zip(found, costs, strict=True):
        weights = 1.0 / np.maximum(own, own.max() * 1e-3 or 1.0)
        row[:] = np.linalg.lstsq(features * weights[:, None], own * weights, rcond=None)[0]
    found[:, 1:] /= scale
    return found
