"""Which indices of a label live once some atoms are dead."""

from collections.abc import Iterable, Sequence

import numpy as np

from pipeline.graph.operators.entry import Mask
from pipeline.graph.shapes import Shape
from pipeline.graph.solution import Content, Solution
from pipeline.graph.terms import Label


class Choice:
    """The dead atoms, asked label by label; answers are remembered by content."""

    def __init__(self, solution: Solution, dead: Iterable[int]) -> None:
        """`dead` are free atoms of the store."""
        self._solution = solution
        self._dead = np.zeros(len(solution.terms), np.bool_)
        self._dead[list(dead)] = True
        self._known: dict[int, tuple[Mask, int]] = {}

    def alive(self, label: Label, size: int) -> Mask:
        """Which of a dimension's indices live."""
        return np.ones(size, np.bool_) if label is None else self._answer(label)[0]

    def kept(self, label: Label, size: int) -> int:
        """How many of a dimension's indices live."""
        return size if label is None else self._answer(label)[1]

    def _answer(self, label: Label) -> tuple[Mask, int]:
        assert label is not None
        content = self._solution.of(label)
        if content.number not in self._known:
            mask = self._mask(content)
            self._known[content.number] = mask, int(mask.sum())
        return self._known[content.number]

    def _mask(self, content: Content) -> Mask:
        owners = content.spread(np.arange(len(content.terms)))
        losses = np.bincount(owners[self._dead[content.atoms]], minlength=len(content.terms))
        mask: Mask = (losses == 0)[content.places]
        return mask

    def shape(self, labels: Sequence[Label], shape: Shape) -> Shape:
        """The shape that is left of a tensor."""
        return tuple(self.kept(*pair) for pair in zip(labels, shape, strict=True))
