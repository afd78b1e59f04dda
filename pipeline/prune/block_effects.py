"""What becomes of a graph's groups once blocks are gone: told by the parameters that stay.

A plan's groups are those of the graph without its blocks; costs and divergences are known for the
groups of the whole graph. The two are matched by the places that they hold: indices of dimensions
of parameters, which keep their names and sizes when blocks go, and the channel at each. A group
whose first parameter stays lives on, under whatever name. One that reaches no parameter any more is
gone. One that lost its first parameter, but not its readers, is absorbed by the group that these
read now: the two have one width from there on. What is neither must stay whole.
"""

from collections.abc import Mapping, Sequence
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
    met, same = _compared(whole, rest)
    families = [_family(whole, same, number, standing) for number in range(len(same))]
    lost = np.flatnonzero(~met.any(axis=0)).tolist()
    gone = tuple(whole.names[one] for one in lost if not _reaches(whole.reach[one], left))
    changed = np.flatnonzero(~same.any(axis=0)).tolist()
    held = {name for family in families for name in family.held}
    held |= {whole.names[one] for one in changed} - set(gone)
    joined = [family.joined for family in families if len(family.joined) > 1]
    survivors = tuple(names[0] for names in joined)
    effect = Effect(gone, tuple(joined), survivors, tuple(sorted(held)))
    return Descent(tuple(family.source for family in families), effect)


@dataclass(frozen=True)
class _Family:
    """The groups of the whole graph that one of the rest goes on as: the one whose channels it
    has, those that it is joined with (itself first), and those that must stay whole."""

    source: str | None
    joined: tuple[str, ...]
    held: tuple[str, ...]


def _family(whole: Survey, same: Mask, number: int, standing: set[int]) -> _Family:
    kin = np.flatnonzero(same[number]).tolist()
    heads = [one for one in kin if one in standing]
    if len(heads) != 1:
        return _Family(None, (), tuple(whole.names[one] for one in kin))
    members = [heads[0], *(one for one in kin if one != heads[0])]
    alone = [one for one in members if one == heads[0] or same[:, one].sum() == 1]
    shared = [one for one in members if one not in alone]
    joined = tuple(whole.names[one] for one in alone)
    return _Family(joined[0], joined, tuple(whole.names[one] for one in shared))


def _reaches(reach: Sequence[str], parameters: set[str]) -> bool:
    return any(dimension.rpartition("[")[0] in parameters for dimension in reach)


def _compared(whole: Survey, rest: Survey) -> tuple[Mask, Mask]:
    """Which groups of the rest (rows) have a place in common with which of the whole (columns),
    and which have the same channels wherever they do. Groups that multiply share all of their
    places, and are told apart by their channels."""
    starts = _starts(whole)
    ours, theirs = _holdings(rest, starts), _holdings(whole, starts)
    span = 1 + max(ours.channels.max(initial=0), theirs.channels.max(initial=0))
    met = _common(ours, ours.places, theirs, theirs.places)
    equal = _common(
        ours, ours.places * span + ours.channels, theirs, theirs.places * span + theirs.channels
    )
    sizes = [np.array([len(atoms) for atoms in one.members], np.int64) for one in (rest, whole)]
    return met > 0, (met > 0) & (equal == met) & (sizes[0][:, None] == sizes[1])


@dataclass(frozen=True)
class _Holdings:
    """Which channel of which group is where: three numbers for every occurrence."""

    count: int
    groups: Integers
    places: Integers
    channels: Integers


def _common(ours: _Holdings, mine: Integers, theirs: _Holdings, other: Integers) -> Integers:
    """How many of our occurrences, under these keys, are at one that each of theirs has."""
    keys, numbers = np.unique(np.concatenate([mine, other]), return_inverse=True)
    one, two = np.split(numbers, [len(mine)])
    left = _matrix(ours.groups, one, (ours.count, len(keys)))
    right = _matrix(theirs.groups, two, (theirs.count, len(keys)))
    common: Integers = (left @ right.sign().T).toarray()
    return common


def _matrix(rows: Integers, columns: Integers, shape: tuple[int, int]) -> sparse.csr_array:
    """How often each pair occurs."""
    return sparse.csr_array((np.ones(len(rows), np.int64), (rows, columns)), shape=shape)


def _starts(whole: Survey) -> dict[tuple[str, int], int]:
    """The number of the first index of every dimension of every parameter."""
    starts: dict[tuple[str, int], int] = {}
    size = 0
    for parameter in whole.labelled.parameters:
        for dimension, length in enumerate(parameter.shape):
            starts |= {(name, dimension): size for name in parameter.names}
            size += length
    return starts


def _holdings(found: Survey, starts: Mapping[tuple[str, int], int]) -> _Holdings:
    """Where the channels of a survey's groups are."""
    channel = np.full(len(found.labelled.terms), -1)
    channel[[atom for atoms in found.members for atom in atoms]] = np.arange(found.census.channels)
    known: dict[int, tuple[Integers, Integers]] = {}
    numbers, places = [np.zeros(0, np.int64)], [np.zeros(0, np.int64)]
    for parameter in found.labelled.parameters:
        for dimension, content in enumerate(found.solution.of_each(parameter.labels)):
            if content is not None:
                if content.number not in known:
                    known[content.number] = _held_in(content, channel)
                who, where = known[content.number]
                numbers.append(who)
                places.append(where + starts[parameter.names[0], dimension])
    first = np.array(found.first, np.int64)
    which = np.concatenate(numbers)
    groups = np.searchsorted(first, which, side="right") - 1
    own = which - first[groups] if len(first) else which
    return _Holdings(len(first), groups, np.concatenate(places), own)


def _held_in(content: Content, channel: Integers) -> tuple[Integers, Integers]:
    """The channels in a label, and the index of each of their occurrences."""
    numbers = channel[content.atoms]
    known = numbers >= 0
    of_terms = content.spread(np.arange(len(content.terms)))[known]
    by_term = _matrix(
        numbers[known], of_terms, (int(channel.max(initial=-1)) + 1, len(content.terms))
    )
    count = len(content.places)
    by_index = _matrix(content.places, np.arange(count), (len(content.terms), count))
    both = (by_term @ by_index).tocoo()
    return both.row.astype(np.int64), both.col.astype(np.int64)
