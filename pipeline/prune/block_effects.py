"""What becomes of a graph's groups once blocks are gone: told by the parameters that stay.

A plan's groups are those of the graph without its blocks; costs and divergences are known for the
groups of the whole graph. The two are matched by the places that they hold: indices of dimensions
of parameters, which keep their names and sizes when blocks go. A group whose first parameter stays
lives on, under whatever name. One that reaches no parameter any more is gone. One that lost its
first parameter, but not its readers, is absorbed by the group that these read now: the two have
one width from there on. What is neither must stay whole.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from scipy import sparse

from pipeline.graph.census import Integers, Mask
from pipeline.graph.groups import Survey, survey
from pipeline.graph.solution import Content
from pipeline.graph.trace import Graph
from pipeline.prune.blocks import Block, Blocks
from pipeline.prune.removable import Effect
from pipeline.prune.skipping import take_out


@dataclass(frozen=True)
class Descent:
    """What the groups of a graph became without some blocks.

    `sources[r]` is the whole graph's group whose width the remaining group r has; None for one
    that has none, and must stay whole.
    """

    sources: tuple[str | None, ...]
    effect: Effect


def effect_of(graph: Graph, blocks: Blocks, block: Block) -> Effect:
    """What the removal of one of a graph's blocks does to its groups."""
    rest = take_out(graph, blocks, (block,))
    return descent(survey(graph), survey(rest)).effect


def descent(whole: Survey, rest: Survey) -> Descent:
    """Match the groups of a graph without some of its blocks with those of the whole."""
    left = {name for parameter in rest.labelled.parameters for name in parameter.names}
    standing = {one for one, reach in enumerate(whole.reach) if _reaches(reach[:1], left)}
    shared = _Places(whole).shared_with(rest)
    families = [_family(whole, rest, shared, number, standing) for number in range(len(shared))]
    lost = np.flatnonzero(~shared.any(axis=0)).tolist()
    gone = tuple(whole.names[one] for one in lost if not _reaches(whole.reach[one], left))
    held = {name for family in families for name in family.held}
    held |= {whole.names[one] for one in lost} - set(gone)
    joined = [family.joined for family in families if len(family.joined) > 1]
    survivors = tuple(names[0] for names in joined)
    effect = Effect(gone, tuple(joined), survivors, tuple(sorted(held)))
    return Descent(tuple(family.source for family in families), effect)


@dataclass(frozen=True)
class _Family:
    """The groups of the whole graph that one of the rest has places of: the one that it goes on
    as, those that it is joined with (itself first), and those that must stay whole."""

    source: str | None
    joined: tuple[str, ...]
    held: tuple[str, ...]


def _family(whole: Survey, rest: Survey, shared: Mask, number: int, standing: set[int]) -> _Family:
    kin = np.flatnonzero(shared[number]).tolist()
    size = len(rest.members[number])
    names = {one: whole.names[one] for one in kin}
    heads = [one for one in kin if one in standing]
    if len(heads) != 1 or len(whole.members[heads[0]]) != size:
        return _Family(None, (), tuple(names.values()))
    others = [one for one in kin if one != heads[0]]
    fits = {one: len(whole.members[one]) == size and shared[:, one].sum() == 1 for one in others}
    joined = tuple(names[one] for one in [heads[0], *others] if fits.get(one, True))
    return _Family(names[heads[0]], joined, tuple(names[one] for one in others if not fits[one]))


def _reaches(reach: Sequence[str], parameters: set[str]) -> bool:
    return any(dimension.rpartition("[")[0] in parameters for dimension in reach)


class _Places:
    """Numbers for every index of every dimension of a graph's parameters, the same for a graph
    with fewer of them."""

    def __init__(self, whole: Survey) -> None:
        self._whole = whole
        self._starts: dict[tuple[str, int], int] = {}
        self._size = 0
        for parameter in whole.labelled.parameters:
            for dimension, size in enumerate(parameter.shape):
                for name in parameter.names:
                    self._starts[name, dimension] = self._size
                self._size += size

    def shared_with(self, rest: Survey) -> Mask:
        """Whether groups of the rest (rows) and of the whole (columns) have a place in common."""
        both = self._held_by(rest) @ self._held_by(self._whole).T
        shared: Mask = both.toarray() > 0
        return shared

    def _held_by(self, found: Survey) -> sparse.csr_array:
        """Which groups (rows) have which places (columns)."""
        owner = np.full(len(found.labelled.terms), -1)
        for number, atoms in enumerate(found.members):
            owner[list(atoms)] = number
        known: dict[int, tuple[Integers, Integers]] = {}
        groups, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
        for parameter in found.labelled.parameters:
            for dimension, content in enumerate(found.solution.of_each(parameter.labels)):
                if content is not None:
                    if content.number not in known:
                        known[content.number] = _held_in(content, owner)
                    who, where = known[content.number]
                    groups.append(who)
                    places.append(where + self._starts[parameter.names[0], dimension])
        pair = np.concatenate(groups), np.concatenate(places)
        ones = np.ones(len(pair[0]), np.int64)
        return sparse.csr_array((ones, pair), shape=(len(found.members), self._size))


def _held_in(content: Content, owner: Integers) -> tuple[Integers, Integers]:
    """The groups in a label, and the index of each of their occurrences."""
    groups = owner[content.atoms]
    known = groups >= 0
    of_terms = content.spread(np.arange(len(content.terms)))[known]
    shape = (int(owner.max(initial=-1)) + 1, len(content.terms))
    by_term = sparse.csr_array((np.ones(len(of_terms)), (groups[known], of_terms)), shape=shape)
    count = len(content.places)
    by_index = sparse.csr_array(
        (np.ones(count), (content.places, np.arange(count))), shape=(len(content.terms), count)
    )
    both = (by_term @ by_index).tocoo()
    return both.row.astype(np.int64), both.col.astype(np.int64)
