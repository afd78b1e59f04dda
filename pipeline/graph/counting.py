"""Taking the census of a labelled graph: its axes, its work and its weights become numbers."""

from collections.abc import Callable, Iterator, Sequence

import numpy as np
import torch
from torch import fx

from pipeline.graph.census import Axes, Census, Product
from pipeline.graph.labels import FAULTS, Labelled
from pipeline.graph.operators import rule_for
from pipeline.graph.operators.entry import Call, Dimension
from pipeline.graph.solution import Content, Solution
from pipeline.graph.terms import Atoms, Vector

_LASTING = -1  # the channel of an atom that no group holds


def take_census(
    module: fx.GraphModule,
    labelled: Labelled,
    solution: Solution,
    members: Sequence[Atoms],
    batch: int,
) -> Census:
    """Numbers for all channels: `members[g]` are the atoms of group g, numbered in this order."""
    counter = _Counter(solution, members)
    work = [counter.product(dimensions) for _, dimensions in work_of(module, labelled, batch)]
    trained = [parameter for parameter in labelled.parameters if parameter.trained]
    weights = [counter.product(list(zip(one.labels, one.shape, strict=True))) for one in trained]
    matrices = tuple(len(one.shape) >= 2 for one in trained)
    constant = np.array(counter.axes.constant, dtype=np.int64)
    rows, channels = counter.axes.rows(), len(counter.channel)
    return Census(channels, constant, rows, tuple(work), batch, tuple(weights), matrices)


def work_of(
    module: fx.GraphModule, labelled: Labelled, batch: int
) -> Iterator[tuple[str, Sequence[Dimension]]]:
    """The dimensions of every product of sizes that counts multiply-accumulates, behind the name of
    its node. Work on weights alone is done once, whatever the batch: it counts for each example."""
    of_inputs: set[fx.Node] = set()
    for node in module.graph.nodes:
        if node.op == "placeholder" or not of_inputs.isdisjoint(node.all_input_nodes):
            of_inputs.add(node)
        target = node.target
        if not isinstance(target, torch._ops.OpOverload) or node.name not in labelled.known.labels:
            continue
        rule = rule_for(target)
        if rule is not None and rule.macs is not None:
            times: list[Dimension] = [] if node in of_inputs else [(None, batch)]
            for product in _products(rule.macs, Call(node, labelled.known), labelled):
                yield node.name, [*product, *times]


def _products(
    macs: Callable[[Call], Sequence[Sequence[Dimension]]], call: Call, labelled: Labelled
) -> Sequence[Sequence[Dimension]]:
    """An operator's products. One that its rule gave up on may be beyond counting too: it stays
    out of the sum, as the operators without a rule do, whose work nobody knows."""
    if call.node.name not in labelled.declined:
        return macs(call)
    try:
        return macs(call)
    except FAULTS:
        return []


class _Counter:
    """Makes an axis of every content, and channels of atoms."""

    def __init__(self, solution: Solution, members: Sequence[Atoms]) -> None:
        self.axes = Axes()
        self.channel = {
            atom: number for number, atom in enumerate(a for atoms in members for a in atoms)
        }
        self._solution = solution
        self._channels = np.full(len(solution.terms), _LASTING, np.int64)
        self._channels[list(self.channel)] = list(self.channel.values())
        for content in solution.contents:
            self._add(content)

    def _add(self, content: Content) -> None:
        """Atoms that no group holds always live."""
        channels = self._channels[content.atoms]
        free = channels != _LASTING
        owner = content.spread(np.arange(len(content.terms)))[free]
        lengths = np.bincount(owner, minlength=len(content.terms))
        constant = int(content.counts[lengths == 0].sum())
        living = lengths > 0
        self.axes.add(constant, content.counts[living], lengths[living], channels[free])

    def _axis(self, label: Vector) -> int:
        content = self._solution.of(label)
        if content.number == len(self.axes.constant):  # a label of no node or parameter
            self._add(content)
        return content.number

    def product(self, dimensions: Sequence[Dimension]) -> Product:
        """The product of these dimensions' sizes."""
        constant, axes = 1, []
        for label, size in dimensions:
            if label is None:
                constant *= size
            else:
                axes.append(self._axis(label))
        return constant, tuple(axes)
