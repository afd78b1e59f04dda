"""Taking the census of a labelled graph: its axes, its work and its weights become numbers."""

from collections.abc import Iterator, Sequence

import numpy as np
import torch
from torch import fx

from pipeline.graph.census import Axes, Census, Product
from pipeline.graph.classes import distinct
from pipeline.graph.labels import Labelled
from pipeline.graph.operators import rule_for
from pipeline.graph.operators.entry import Call, Dimension
from pipeline.graph.terms import Atoms, Terms, Vector


def take_census(
    module: fx.GraphModule, labelled: Labelled, members: Sequence[Atoms], batch: int
) -> Census:
    """Numbers for all channels: `members[g]` are the atoms of group g, numbered in this order."""
    counter = _Counter(labelled.terms, members)
    for label in distinct(labelled):
        counter.axis(label)
    work = [counter.product(dimensions) for dimensions in _work(module, labelled)]
    trained = [parameter for parameter in labelled.parameters if parameter.trained]
    weights = [counter.product(list(zip(one.labels, one.shape, strict=True))) for one in trained]
    matrices = tuple(len(one.shape) >= 2 for one in trained)
    constant = np.array(counter.axes.constant, dtype=np.int64)
    rows, channels = counter.axes.rows(), len(counter.channel)
    return Census(channels, constant, rows, tuple(work), batch, tuple(weights), matrices)


def _work(module: fx.GraphModule, labelled: Labelled) -> Iterator[Sequence[Dimension]]:
    """The dimensions of every product of sizes that counts multiply-accumulates."""
    for node in module.graph.nodes:
        target = node.target
        if not isinstance(target, torch._ops.OpOverload) or node.name not in labelled.known.labels:
            continue
        rule = rule_for(target)
        if rule is not None and rule.macs is not None:
            yield from rule.macs(Call(node, labelled.known))


class _Counter:
    """Numbers axes by their label vector, and channels by their atom."""

    def __init__(self, terms: Terms, members: Sequence[Atoms]) -> None:
        self.axes = Axes()
        self.channel = {
            atom: number for number, atom in enumerate(a for atoms in members for a in atoms)
        }
        self._terms = terms
        self._numbers: dict[int, int] = {}

    def axis(self, label: Vector) -> int:
        """The number of a label vector's axis."""
        if id(label) not in self._numbers:
            self._numbers[id(label)] = self._add(label)
        return self._numbers[id(label)]

    def _add(self, label: Vector) -> int:
        constant, rows = 0, []
        terms, counts = np.unique(self._terms.roots(label), return_counts=True)
        for term, count in zip(terms.tolist(), counts.tolist(), strict=True):
            atoms = self._terms.resolve(term)
            channels = [self.channel[atom] for atom in atoms if atom in self.channel]
            if channels:
                rows.append((count, channels))
            else:
                constant += count
        return self.axes.add(constant, rows)

    def product(self, dimensions: Sequence[Dimension]) -> Product:
        """The product of these dimensions' sizes."""
        constant, axes = 1, []
        for label, size in dimensions:
            if label is None:
                constant *= size
            else:
                axes.append(self.axis(label))
        return constant, tuple(axes)
