"""Which indices of a label live once some atoms are dead."""

from collections.abc import Sequence

import numpy as np

from pipeline.graph.operators.entry import Mask
from pipeline.graph.shapes import Shape
from pipeline.graph.terms import Label, Terms, Vector


class Choice:
    """The dead atoms, asked label by label; answers are remembered."""

    def __init__(self, terms: Terms, dead: frozenset[int]) -> None:
        """`dead` are free atoms of the store."""
        self._terms = terms
        self._dead = dead
        self._known: dict[int, tuple[Vector, Mask]] = {}

    def alive(self, label: Label, size: int) -> Mask:
        """Which of a dimension's indices live."""
        if label is None:
            return np.ones(size, np.bool_)
        if id(label) not in self._known:
            unique, inverse = np.unique(self._terms.roots(label), return_inverse=True)
            lives = [self._dead.isdisjoint(self._terms.resolve(int(term))) for term in unique]
            self._known[id(label)] = (label, np.array(lives, np.bool_)[inverse])
        return self._known[id(label)][1]

    def shape(self, labels: Sequence[Label], shape: Shape) -> Shape:
        """The shape that is left of a tensor."""
        pairs = zip(labels, shape, strict=True)
        return tuple(int(self.alive(label, size).sum()) for label, size in pairs)
