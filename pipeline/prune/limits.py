"""What widths and blocks are charged against limits: tables of numbers, blind to devices.

A cost model (a device's table, a count of MACs, the bytes of a file) says what it charges as a
constant and a sum of terms. A term depends on the widths of a few groups, jointly and in whatever
way: a layer between two groups costs what its table says for that pair, staircases included.
"""

from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np

from pipeline.prune.allocation import Floats


@dataclass(frozen=True)
class Legal:
    """Per group, the widths that the runtime takes well: ascending, the full one included."""

    widths: Mapping[str, tuple[int, ...]]

    def __post_init__(self) -> None:
        """Raises ValueError for a group without widths, or with some out of order."""
        for name, widths in self.widths.items():
            if not widths or list(widths) != sorted(set(widths)) or widths[0] < 1:
                raise ValueError(f"{name}: legal widths must ascend from 1 or more, found {widths}")

    def full(self, group: str) -> int:
        """The width of a group that nothing was taken from."""
        return self.widths[group][-1]


@dataclass(frozen=True)
class Slope:
    """What a site's cost grows by with a sum of widths: a concat of thirty groups has more
    combinations of widths than could be written down.

    Attributes:
        parts: the groups in the sum, none of them the term's own, and how often each counts.
        values: per unit of the sum, at every combination of the term's own groups.
    """

    parts: tuple[tuple[str, float], ...]
    values: Floats

    def sum_at(self, legal: Legal, widths: Mapping[str, int]) -> float:
        """The sum at these widths; groups that are not named are whole."""
        return sum(times * widths.get(name, legal.full(name)) for name, times in self.parts)


@dataclass(frozen=True)
class Term:
    """What one site costs at every combination of the legal widths of the groups it depends on.

    Attributes:
        groups: the groups' names; none for what only blocks change.
        values: shape (number of legal widths of each group), ascending widths, in the limit's unit.
        blocks: removable blocks; the term vanishes where any of them goes.
        site: what is charged, for people: a layer or a group of fused ones.
        slopes: what the cost grows by beside that, with sums of other groups' widths.
    """

    groups: tuple[str, ...]
    values: Floats
    blocks: tuple[str, ...] = ()
    site: str = ""
    slopes: tuple[Slope, ...] = ()

    @property
    def everyone(self) -> tuple[str, ...]:
        """All groups that the cost depends on."""
        summed = (name for slope in self.slopes for name, _ in slope.parts)
        return tuple(dict.fromkeys((*self.groups, *summed)))

    def at(self, legal: Legal, widths: Mapping[str, int]) -> float:
        """The cost at these widths; groups that are not named are whole."""
        place = tuple(_index(legal, group, widths) for group in self.groups)
        grown = sum(float(one.values[place]) * one.sum_at(legal, widths) for one in self.slopes)
        return float(self.values[place]) + grown


@dataclass(frozen=True)
class Charge:
    """One limit: the constant and all terms together must stay at `most` or below.

    Attributes:
        limit: the budget's name for it, such as `latency_ms.p50`.
        most: the budget, in the unit of its name.
        constant: what even an empty model would cost.
        terms: everything that widths and blocks change.
    """

    limit: str
    most: float
    constant: float
    terms: tuple[Term, ...]

    def of(self, legal: Legal, widths: Mapping[str, int], blocks: Collection[str] = ()) -> float:
        """The cost of a model with groups of these widths and without these blocks."""
        standing = standing_terms(self.terms, blocks)
        return self.constant + sum(term.at(legal, widths) for term in standing)


def standing_terms(terms: Iterable[Term], blocks: Collection[str]) -> list[Term]:
    """The terms that are left once these blocks are gone."""
    gone = set(blocks)
    return [term for term in terms if gone.isdisjoint(term.blocks)]


def narrowed(
    legal: Legal, charges: Sequence[Charge], allowed: Mapping[str, Sequence[int]]
) -> tuple[Legal, tuple[Charge, ...]]:
    """The same where groups may have only some of their legal widths, at least one each."""
    places = {
        name: [widths.index(width) for width in allowed.get(name, widths)]
        for name, widths in legal.widths.items()
    }
    fewer = {
        name: tuple(widths[place] for place in places[name])
        for name, widths in legal.widths.items()
    }
    cut = tuple(
        replace(charge, terms=tuple(_narrowed(term, places) for term in charge.terms))
        for charge in charges
    )
    return Legal(fewer), cut


def _narrowed(term: Term, places: Mapping[str, Sequence[int]]) -> Term:
    if not term.groups:
        return term
    kept = np.ix_(*(places[name] for name in term.groups))
    slopes = tuple(replace(one, values=one.values[kept]) for one in term.slopes)
    return replace(term, values=term.values[kept], slopes=slopes)


def check_charges(legal: Legal, charges: Sequence[Charge], blocks: Collection[str]) -> None:
    """Raise ValueError for terms of unknown groups or blocks, of another shape, or not finite."""
    for charge in charges:
        if not np.isfinite([charge.most, charge.constant]).all():
            raise ValueError(f"{charge.limit}: budget and constant must be finite")
        for term in charge.terms:
            _check_term(legal, term, f"{charge.limit}: {term.site or term.groups}", blocks)


def _check_term(legal: Legal, term: Term, place: str, blocks: Collection[str]) -> None:
    unknown = [name for name in term.everyone if name not in legal.widths]
    unknown += [name for name in term.blocks if name not in blocks]
    if unknown:
        raise ValueError(f"{place}: no group or block is called {unknown[0]}")
    for names in (term.groups, *((*term.groups, *dict(one.parts)) for one in term.slopes)):
        if len(set(names)) < len(names):
            raise ValueError(f"{place}: a group is named twice")
    if term.slopes and not term.groups:
        raise ValueError(f"{place}: slopes without groups; give each part a term of its own")
    shape = tuple(len(legal.widths[name]) for name in term.groups)
    for values in (term.values, *(one.values for one in term.slopes)):
        if values.shape != shape:
            raise ValueError(f"{place}: values must have shape {shape}, found {values.shape}")
        if not np.isfinite(values).all():
            raise ValueError(f"{place}: a value is not finite")


def _index(legal: Legal, group: str, widths: Mapping[str, int]) -> int:
    own = legal.widths[group]
    return own.index(widths.get(group, own[-1]))
