"""What the solved store says of a whole graph: every label by its content, and who lives in it.

Thousands of labels share a few hundred contents: a channel axis goes through weight, bias, norm
and activation as one vector. Whatever is asked of labels is worked out once per content.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from itertools import chain

import numpy as np

from pipeline.graph.labels import Labelled
from pipeline.graph.terms import Terms, Vector


@dataclass(frozen=True)
class Content:
    """What equal labels hold. `terms` are their distinct terms, solved, in ascending order:
    term t occurs `counts[t]` times, at `firsts[t]` first, and needs the next `lengths[t]` of
    `atoms`; `places[i]` is the term of index i."""

    number: int
    terms: Vector
    counts: Vector
    firsts: Vector
    places: Vector
    lengths: Vector
    atoms: Vector

    def spread(self, of_terms: Vector) -> Vector:
        """A number per term, repeated for each of its atoms."""
        repeated: Vector = np.repeat(of_terms, self.lengths)
        return repeated

    def constant(self) -> Vector:
        """The terms that need no atom: their indices always live."""
        lasting: Vector = self.terms[self.lengths == 0]
        return lasting


class Solution:
    """The contents of a graph's labels, in the order of the graph."""

    def __init__(self, labelled: Labelled) -> None:
        """Gather the contents of all labels; equations are no longer added."""
        self.contents: list[Content] = []
        self.terms = labelled.terms
        self._numbers: dict[bytes, int] = {}
        self._known: dict[int, tuple[Vector, Content]] = {}
        for label in labelled.vectors():
            if label is not None:
                self.of(label)

    def of(self, label: Vector) -> Content:
        """The content of a label."""
        if id(label) not in self._known:
            self._known[id(label)] = (label, self._content(self.terms.roots(label)))
        return self._known[id(label)][1]

    def of_each(self, labels: Sequence[Vector | None]) -> list[Content | None]:
        """The content of every label; None where all indices always live."""
        return [None if label is None else self.of(label) for label in labels]

    def _content(self, roots: Vector) -> Content:
        key = roots.tobytes()
        if key not in self._numbers:
            self._numbers[key] = len(self.contents)
            self.contents.append(_describe(self.terms, roots, len(self.contents)))
        return self.contents[self._numbers[key]]


def _describe(terms: Terms, roots: Vector, number: int) -> Content:
    unique, firsts, places, counts = np.unique(
        roots, return_index=True, return_inverse=True, return_counts=True
    )
    atoms = terms.resolve_each(unique)
    lengths = np.array([len(found) for found in atoms], np.int64)
    flat = np.array(list(chain.from_iterable(atoms)), np.int64)
    return Content(number, unique, counts, firsts, places, lengths, flat)
