"""Which atoms belong together: by the axis they were made for and the vectors they occur in."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.graph.labels import Labelled, Parameter
from pipeline.graph.solution import Content, Solution
from pipeline.graph.terms import Atoms, Vector

_NOWHERE = np.iinfo(np.int64).max
Slot = tuple[int, int]  # rank of a parameter's first use, and one of its dimensions


@dataclass(frozen=True)
class Class:
    """Atoms of equal standing: a name, the atoms in channel order, the dimensions they reach."""

    name: str
    atoms: Atoms
    reach: tuple[str, ...]


@dataclass(frozen=True)
class _Places:
    """Where parameters hold atoms: per content the slots in order, per atom the first place."""

    slots: dict[int, list[Slot]]
    rank: Vector  # the number of an atom's first slot, or nowhere
    index: Vector  # and its first index there
    trained: Vector  # whether a trained parameter holds it


def gather(labelled: Labelled, solution: Solution) -> list[Class]:
    """The classes of all atoms that a trained parameter holds, in the order of their first use."""
    places = _places(labelled, solution)
    classes = _classes(solution, places)
    return _named(_held(solution, places, classes), labelled)


def in_order(labelled: Labelled) -> list[Parameter]:
    """Parameters in the order of their first use."""
    ranks = {name: rank for rank, name in enumerate(labelled.order)}
    unused = len(ranks)
    return sorted(
        labelled.parameters, key=lambda p: min(ranks.get(name, unused) for name in p.names)
    )


def _places(labelled: Labelled, solution: Solution) -> _Places:
    slots: dict[int, list[Slot]] = defaultdict(list)
    size = len(solution.terms)
    first = np.full(size, _NOWHERE), np.zeros(size, np.int64)
    trained = np.zeros(size, np.int64)
    count = 0
    for rank, parameter in enumerate(in_order(labelled)):
        for dimension, content in enumerate(solution.of_each(parameter.labels)):
            if content is None:
                continue
            if content.number not in slots:
                _note_first(content, count, *first)
            if parameter.trained:
                trained[content.atoms] = 1
            slots[content.number].append((rank, dimension))
            count += 1
    return _Places(slots, *first, trained)


def _note_first(content: Content, slot: int, rank: Vector, index: Vector) -> None:
    """Atoms that no earlier slot held get this slot, and their first index in it."""
    new = rank[content.atoms] == _NOWHERE
    atoms, places = content.atoms[new], content.spread(content.firsts)[new]
    index[atoms] = _NOWHERE
    np.minimum.at(index, atoms, places)
    rank[atoms] = slot


def _classes(solution: Solution, places: _Places) -> list[Vector]:
    """Atoms with parameters, by the axis they were made for and the vectors they occur in."""
    atoms = np.flatnonzero(places.trained)
    atoms = atoms[np.lexsort((atoms, places.index[atoms], places.rank[atoms]))]
    keys = np.column_stack(
        [solution.terms.axes(atoms), _signatures(solution)[atoms].view(np.int64)]
    )
    _, which = np.unique(keys, axis=0, return_inverse=True)
    order = np.argsort(which.ravel(), kind="stable")
    sizes = np.bincount(which.ravel()) if len(atoms) else np.zeros(0, np.int64)
    return np.split(atoms[order], np.cumsum(sizes)[:-1]) if len(atoms) else []


def _signatures(solution: Solution) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """Per atom, a sum of random 64-bit numbers, one per content that it occurs in, modulo 2⁶⁴."""
    generator = np.random.default_rng(0)
    marks = generator.integers(1 << 62, size=len(solution.contents), dtype=np.uint64)
    signature = np.zeros(len(solution.terms), np.uint64)
    for content, mark in zip(solution.contents, marks, strict=True):
        times = content.spread(content.counts).astype(np.uint64)
        np.add.at(signature, content.atoms, times * mark)
    return signature


@dataclass(frozen=True)
class _Held:
    """A class with the slots that its atoms reach, and the places of its first atom."""

    atoms: Atoms
    reach: list[Slot]
    first: list[tuple[Slot, int]]


def _held(solution: Solution, places: _Places, classes: list[Vector]) -> list[_Held]:
    """Where the parameters hold the atoms of every class."""
    owner = np.full(len(solution.terms), -1)
    for number, atoms in enumerate(classes):
        owner[atoms] = number
    held = [_Held(tuple(atoms.tolist()), [], []) for atoms in classes]
    leaders = np.array([atoms[0] for atoms in classes], np.int64)
    for number, slots in places.slots.items():
        content = solution.contents[number]
        reached = np.unique(owner[content.atoms])
        for group in reached[reached >= 0].tolist():
            held[group].reach.extend(slots)
        found = np.isin(content.atoms, leaders)
        for atom, index in _firsts(content.atoms[found], content.spread(content.firsts)[found]):
            held[int(owner[atom])].first.extend((slot, index) for slot in slots)
    return held


def _firsts(atoms: Vector, indices: Vector) -> Iterator[tuple[int, int]]:
    """The least index of each atom."""
    order = np.lexsort((indices, atoms))
    unique, at = np.unique(atoms[order], return_index=True)
    yield from zip(unique.tolist(), indices[order][at].tolist(), strict=True)


def _named(classes: list[_Held], labelled: Labelled) -> list[Class]:
    """Groups by the place of their first channel, named by it; a second one there is numbered."""
    names = [parameter.names[0] for parameter in in_order(labelled)]
    used: Counter[str] = Counter()
    ordered = []
    for held in sorted(classes, key=lambda held: sorted(held.first)):
        reach = tuple(f"{names[rank]}[{dimension}]" for rank, dimension in sorted(held.reach))
        used[reach[0]] += 1
        number = used[reach[0]]
        name = reach[0] if number == 1 else f"{reach[0]}#{number}"
        ordered.append(Class(name, held.atoms, reach))
    return ordered
