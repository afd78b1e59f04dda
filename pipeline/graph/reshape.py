"""Labels through a reshape: several dimensions merged into one, one factored into several."""

import math
from collections.abc import Iterator, Sequence

import numpy as np

from pipeline.graph.terms import ONE, Label, Terms, Vector

Shape = tuple[int, ...]


def merge(terms: Terms, labels: Sequence[Label], sizes: Sequence[int]) -> Label:
    """The label of the dimensions flattened into one, the last varying fastest."""
    flat: Label = None
    count = 1
    for label, size in zip(labels, sizes, strict=True):
        if flat is None:
            flat = None if label is None else np.tile(label, count)
        elif label is None:
            flat = np.repeat(flat, size)
        else:
            flat = _outer(terms, flat, label)
        count *= size
    return flat


def _outer(terms: Terms, a: Vector, b: Vector) -> Vector:
    pairs = [terms.product(x, y) for x in a.tolist() for y in b.tolist()]
    return np.array(pairs, dtype=np.int64)


def factor(
    terms: Terms, flat: Label, sizes: Sequence[int], free: Sequence[bool] | None = None
) -> list[Label]:
    """Labels for `sizes` such that flat[i, j, …] = out_0[i] · out_1[j] · …: what is kept is a box.

    Atoms common to a whole slice of a dimension belong to that dimension. Where those don't
    reproduce flat, each dimension gets fresh atoms (if `free` lets it) and flat is equated with
    the product.
    """
    out: list[Label] = [None] * len(sizes)
    flat = terms.simplify(flat)
    wide = [position for position, size in enumerate(sizes) if size != 1]
    if flat is None or not wide:
        return out
    if len(wide) == 1:
        out[wide[0]] = flat
        return out
    found = _factor_wide(terms, flat, [sizes[d] for d in wide], [not free or free[d] for d in wide])
    for position, label in zip(wide, found, strict=True):
        out[position] = terms.simplify(label)
    return out


def _factor_wide(
    terms: Terms, flat: Vector, sizes: list[int], free: Sequence[bool]
) -> list[Vector]:
    unique, inverse = np.unique(terms.roots(flat), return_inverse=True)
    atoms = [frozenset(terms.resolve(int(term))) for term in unique]
    grid = np.indices(sizes).reshape(len(sizes), -1)
    common = [
        _common(position, inverse, atoms, size) for position, size in zip(grid, sizes, strict=True)
    ]
    rest = not _reproduces(grid, inverse, common, atoms)
    out = [
        _axis(terms, shared, fresh=rest and allowed)
        for shared, allowed in zip(common, free, strict=True)
    ]
    if rest:
        terms.unify(flat, _product(terms, out, grid))
    return out


def _product(terms: Terms, labels: list[Vector], grid: Vector) -> Vector:
    """The term of every element of a grid."""
    found = np.full(grid.shape[1], ONE, np.int64)
    for label, position in zip(labels, grid, strict=True):
        pairs = zip(found.tolist(), label[position].tolist(), strict=True)
        found = np.array([terms.product(*pair) for pair in pairs], np.int64)
    return found


def _common(
    position: Vector, inverse: Vector, atoms: list[frozenset[int]], size: int
) -> list[frozenset[int]]:
    """Per index of one dimension, the atoms that all elements at that index share."""
    shared: list[frozenset[int] | None] = [None] * size
    for pair in np.unique(position * len(atoms) + inverse).tolist():
        index, term = divmod(pair, len(atoms))
        known = shared[index]
        shared[index] = atoms[term] if known is None else known & atoms[term]
    return [known or frozenset() for known in shared]


def _reproduces(
    grid: Vector,
    inverse: Vector,
    common: list[list[frozenset[int]]],
    atoms: list[frozenset[int]],
) -> bool:
    for position, term in zip(grid.T.tolist(), inverse.tolist(), strict=True):
        parts = (shared[index] for shared, index in zip(common, position, strict=True))
        if frozenset().union(*parts) != atoms[term]:
            return False
    return True


def _axis(terms: Terms, shared: list[frozenset[int]], *, fresh: bool) -> Vector:
    made = terms.fresh(len(shared)) if fresh else None
    axis: Vector = np.zeros(len(shared), np.int64) if made is None else made
    for index, atoms in enumerate(shared):
        for atom in sorted(atoms):
            axis[index] = terms.product(int(axis[index]), atom)
    return axis


def reshape(terms: Terms, labels: Sequence[Label], old: Shape, new: Shape) -> list[Label]:
    """Labels after a reshape: the smallest blocks of equal size are merged and factored each."""
    out: list[Label] = []
    for before, after in _blocks(old, new):
        if len(before) == 1 and len(after) == 1:
            out.append(labels[before.start])
            continue
        sizes = [old[d] for d in before]
        flat = merge(terms, labels[before.start : before.stop], sizes)
        out += factor(terms, flat, [new[d] for d in after])
    return out


def _blocks(old: Shape, new: Shape) -> Iterator[tuple[range, range]]:
    """Ranges of old and new dimensions that hold the same number of elements, left to right."""
    i = j = 0
    while i < len(old) or j < len(new):
        start_i, start_j = i, j
        i, j = min(i + 1, len(old)), min(j + 1, len(new))
        while (left := math.prod(old[start_i:i])) != (right := math.prod(new[start_j:j])):
            if left < right:
                i += 1
            else:
                j += 1
            if i > len(old) or j > len(new):
                raise ValueError(f"a shape of {old} can't become {new}")
        yield range(start_i, i), range(start_j, j)
