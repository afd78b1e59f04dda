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
class Term:
    """What one site costs at every combination of the legal widths of the groups it depends on.

    Attributes:
        groups: the groups' names; none for what only blocks change.
        values: shape (number of legal widths of each group), ascending widths, in the limit's unit.
        blocks: removable blocks; the term vanishes where any of them goes.
        site: what is charged, for people: a layer or a group of fused ones.
    """

    groups: tuple[str, ...]
    values: Floats
    blocks: tuple[str, ...] = ()
    site: str = ""

    def at(self, legal: Legal, widths: Mapping[str, int]) -> float:
        """The cost at these widths; groups that are not named are whole."""
        place = tuple(_index(legal, group, widths) for group in self.groups)
        return float(self.values[place])


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
    return replace(term, values=term.values[np.ix_(*(places[name] for name in term.groups))])


def check_charges(legal: Legal, charges: Sequence[Charge], blocks: Collection[str]) -> None:
    """Raise ValueError for terms of unknown groups or blocks, of another shape, or not finite."""
    for charge in charges:
        if not np.isfinite([charge.most, charge.constant]).all():
            raise ValueError(f"{charge.limit}: budget and constant must be finite")
        for term in charge.terms:
            _check_term(legal, term, f"{charge.limit}: {term.site or term.groups}", blocks)


def _check_term(legal: Legal, term: Term, place: str, blocks: Collection[str]) -> None:
    unknown = [name for name in term.groups if name not in legal.widths]
    unknown += [name for name in term.blocks if name not in blocks]
    if unknown:
        raise ValueError(f"{place}: no group or block is called {unknown[0]}")
    if len(set(term.groups)) < len(term.groups):
        raise ValueError(f"{place}: a group is named twice")
    shape = tuple(len(legal.widths[name]) for name in term.groups)
    if term.values.shape != shape:
        raise ValueError(f"{place}: values must have shape {shape}, found {term.values.shape}")
    if not np.isfinite(term.values).all():
        raise ValueError(f"{place}: a value is not finite")


def _index(legal: Legal, group: str, widths: Mapping[str, int]) -> int:
    own = legal.widths[group]
    return own.index(widths.get(group, own[-1]))
