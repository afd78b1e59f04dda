"""Which atoms belong together: by the axis they were made for and the vectors they occur in."""

from collections import Counter, defaultdict
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from pipeline.graph.labels import Labelled, Parameter
from pipeline.graph.terms import Atoms, Vector


@dataclass(frozen=True)
class Class:
    """Atoms of equal standing: a name, the atoms in channel order, the dimensions they reach."""

    name: str
    atoms: Atoms
    reach: tuple[str, ...]


@dataclass(frozen=True, order=True)
class _Place:
    """Where a parameter holds an atom: rank of the parameter's first use, dimension, index."""

    rank: int
    dimension: int
    index: int


def gather(labelled: Labelled) -> list[Class]:
    """The classes of all atoms that a trained parameter holds, in the order of their first use."""
    places = _places(labelled)
    trained = [parameter.trained for parameter in in_order(labelled)]
    plannable = {
        atom: found for atom, found in places.items() if any(trained[p.rank] for p in found)
    }
    return _named(_classes(labelled, plannable), plannable, labelled)


def _places(labelled: Labelled) -> dict[int, list[_Place]]:
    """The first index at which each parameter dimension holds each free atom."""
    found: dict[int, list[_Place]] = defaultdict(list)
    for rank, parameter in enumerate(in_order(labelled)):
        for dimension, label in enumerate(parameter.labels):
            if label is None:
                continue
            seen: set[int] = set()
            for index, atoms in enumerate(labelled.terms.atoms(label)):
                for atom in atoms:
                    if atom not in seen:
                        seen.add(atom)
                        found[atom].append(_Place(rank, dimension, index))
    return found


def in_order(labelled: Labelled) -> list[Parameter]:
    """Parameters in the order of their first use."""
    ranks = {name: rank for rank, name in enumerate(labelled.order)}
    unused = len(ranks)
    return sorted(
        labelled.parameters, key=lambda p: min(ranks.get(name, unused) for name in p.names)
    )


def _classes(labelled: Labelled, places: dict[int, list[_Place]]) -> list[Atoms]:
    """Atoms with parameters, by the axis they were made for and the vectors they occur in."""
    signature = _signatures(labelled)
    classes: dict[tuple[int, int], list[int]] = defaultdict(list)
    for atom in places:
        classes[labelled.terms.axis(atom), signature[atom]].append(atom)
    return [tuple(sorted(atoms, key=lambda atom: places[atom])) for atoms in classes.values()]


def _signatures(labelled: Labelled) -> dict[int, int]:
    """Per atom, a sum of random 64-bit numbers, one per label vector that it occurs in."""
    generator = np.random.default_rng(0)
    signature: dict[int, int] = defaultdict(int)
    for label in distinct(labelled):
        mark = int(generator.integers(1 << 62))
        terms, counts = np.unique(labelled.terms.roots(label), return_counts=True)
        for term, count in zip(terms.tolist(), counts.tolist(), strict=True):
            for atom in labelled.terms.resolve(term):
                signature[atom] = (signature[atom] + mark * count) % (1 << 64)
    return signature


def distinct(labelled: Labelled) -> Iterator[Vector]:
    """Every label vector once, in the graph's order."""
    seen: dict[int, Vector] = {}
    for label in labelled.vectors():
        if label is not None and id(label) not in seen:
            seen[id(label)] = label  # kept, so that no other vector takes its identity
            yield label


def _named(
    classes: list[Atoms], places: dict[int, list[_Place]], labelled: Labelled
) -> list[Class]:
    """Groups by the place of their first channel, named by it; a second one there is numbered."""
    names = [parameter.names[0] for parameter in in_order(labelled)]
    used: Counter[str] = Counter()
    ordered = []
    for atoms in sorted(classes, key=lambda atoms: places[atoms[0]]):
        spots = sorted({(p.rank, p.dimension) for atom in atoms for p in places[atom]})
        reach = tuple(f"{names[rank]}[{dimension}]" for rank, dimension in spots)
        used[reach[0]] += 1
        number = used[reach[0]]
        name = reach[0] if number == 1 else f"{reach[0]}#{number}"
        ordered.append(Class(name, atoms, reach))
    return ordered
