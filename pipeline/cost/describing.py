"""Describing a site: its tensors with their sizes, and which of those may be pruned."""

from collections.abc import Iterator
from dataclasses import dataclass
from string import ascii_lowercase

import numpy as np
from torch import fx

from pipeline.cost.fusing import Fused, operator_of
from pipeline.cost.sites import Extent, Kind, Size
from pipeline.graph.groups import Survey, survey
from pipeline.graph.operators.entry import Labels
from pipeline.graph.shapes import Shape, Shapes, double_batch, observe
from pipeline.graph.terms import Label
from pipeline.graph.trace import Graph
from pipeline.prune.extents import Extents
from pipeline.prune.regions import Flow

OUTPUT = -1


@dataclass(frozen=True)
class Axis:
    """Where the width of a site's axis can be read: a dimension of one of its first node's
    operands, by number, or of what the node gives (`OUTPUT`). Names of operands don't last: where
    a block goes, its entry takes its exit's place."""

    operand: int
    dimension: int
    part: int | None = None

    def of(self, node: fx.Node, shapes: Shapes) -> int:
        """The width in a graph of these shapes."""
        owner = node if self.operand == OUTPUT else operands(node)[self.operand]
        if self.part is None:
            return shapes.tensor[owner.name][self.dimension]
        shape = shapes.several[owner.name][self.part]
        assert shape is not None, f"{owner.name} gives no tensor in place {self.part}"
        return shape[self.dimension]


def operands(node: fx.Node) -> list[fx.Node]:
    """The nodes among a node's arguments, with repetitions."""
    found: list[fx.Node] = []
    fx.node.map_arg((node.args, node.kwargs), found.append)
    return found


class Facts:
    """What is known of a graph's nodes: shapes, labels, work."""

    def __init__(self, graph: Graph) -> None:
        inputs = double_batch(graph.inputs, graph.dynamic_batch)
        self._batch = inputs[0].shape[0] if inputs and inputs[0].dim() else 1
        self.survey = survey(graph)
        self.shapes = observe(graph.module, inputs)
        self.flow = Flow(graph.module, (*self.shapes.tensor, *self.shapes.several))
        self.sizes = Sizes(self.survey)
        self._extents = Extents(graph.module, self.shapes, self._batch)

    def tensors(self, node: fx.Node) -> Iterator[tuple[int | None, Shape, Labels]]:
        """What a node gives: the part, the shape and the labels of each tensor."""
        labels = self.survey.labelled.known.labels.get(node.name)
        if (shape := self.shapes.tensor.get(node.name)) is not None:
            known = labels if isinstance(labels, list) else _unlabelled(shape)
            yield None, shape, known
        for place, part in enumerate(self.shapes.several.get(node.name, ())):
            if part is not None:
                known = labels[place] if isinstance(labels, tuple) else _unlabelled(part)
                yield place, part, known

    def is_data(self, node: fx.Node) -> bool:
        """Whether its tensors have a batch."""
        return self.flow.is_data(node)

    def macs(self, node: fx.Node) -> float:
        """Multiply-accumulates per example."""
        return self._extents.macs_of(node) / self._batch

    def batch_of(self, shape: Shape) -> int:
        """By how much a data tensor's elements are divided to be those of one example."""
        return self._batch if shape and shape[0] % self._batch == 0 else 1

    def is_prunable(self, label: Label) -> bool:
        """Whether some of a dimension's indices can go."""
        return label is not None and bool(self.sizes.of(label).terms)

    def content(self, label: Label) -> int:
        """The number of what a label holds."""
        assert label is not None
        return self.survey.solution.of(label).number


class Description:
    """A site's kind: its tensors written down with letters for prunable axes."""

    def __init__(self, facts: Facts, fused: Fused) -> None:
        self._facts = facts
        self._fused = fused
        self._places: dict[int, int] = {}
        self.labels: list[Label] = []
        self.axes: list[Axis] = []
        self._read: list[Extent] = []
        self._matrices: list[Extent] = []
        self._vectors: list[Extent] = []
        leader = fused.leader
        given = [self._given(*one) for one in enumerate(operands(leader))]
        written = [self._tensor(OUTPUT, *one, data=True) for one in facts.tensors(leader)]
        self._written = tuple(extent for _, extent in written)
        shown = " ".join(one for one in given if one)
        made = " ".join(text for text, _ in written)
        followers = "".join(f" + {name}" for name in fused.followers)
        self.name = f"{operator_of(leader)} {shown} > {made}{followers}"

    def kind(self) -> Kind:
        """What was found."""
        macs = self._facts.macs(self._fused.leader)
        used = self._used_axes()
        whole = Extent(count=1.0, axes=used).at([self._full(axis) for axis in self.axes])
        return Kind(
            name=self.name,
            operator=operator_of(self._fused.leader),
            axes=len(self.axes),
            work=(Extent(count=macs / whole, axes=used),) if macs else (),
            read=tuple(self._read),
            written=self._written,
            matrices=tuple(self._matrices),
            vectors=tuple(self._vectors),
        )

    def _full(self, axis: Axis) -> float:
        return float(axis.of(self._fused.leader, self._facts.shapes))

    def _used_axes(self) -> tuple[int, ...]:
        """Multiply-accumulates are a product of every axis that the site has, each once: of what
        contracts, what comes out, and what both go along with."""
        return tuple(range(len(self.axes)))

    def _given(self, operand: int, node: fx.Node) -> str:
        data = self._facts.is_data(node)
        shown = []
        for one in self._facts.tensors(node):
            text, extent = self._tensor(operand, *one, data=data)
            shown.append(text)
            if data:
                self._read.append(extent)
            elif len(one[1]) > 1:
                self._matrices.append(extent)
            else:
                self._vectors.append(extent)
        return " ".join(shown)

    def _tensor(
        self, operand: int, part: int | None, shape: Shape, labels: Labels, *, data: bool
    ) -> tuple[str, Extent]:
        """A tensor as text, and its elements per example."""
        batch = self._facts.batch_of(shape) if data else 1
        fixed, axes, letters = 1.0, [], []
        for dimension, (size, label) in enumerate(zip(shape, labels, strict=True)):
            if self._facts.is_prunable(label):
                place = self._axis(label, Axis(operand, dimension, part))
                axes.append(place)
                letters.append(ascii_lowercase[place % 26])
            else:
                own = size // batch if dimension == 0 else size
                fixed *= own
                letters.append(str(own))
        shown = letters[1:] if data and letters[:1] == ["1"] else letters
        return f"[{','.join(shown)}]", Extent(count=fixed, axes=tuple(axes))

    def _axis(self, label: Label, axis: Axis) -> int:
        content = self._facts.content(label)
        if content not in self._places:
            self._places[content] = len(self.axes)
            self.axes.append(axis)
            self.labels.append(label)
        return self._places[content]


class Sizes:
    """The widths of axes as sums over groups. A vector that holds some channels of a group more
    often than others counts as the mean of them: exact where all widths are whole."""

    def __init__(self, found: Survey) -> None:
        self._found = found
        self._known: dict[int, Size] = {}
        atoms = [np.asarray(members) for members in found.members]
        self._owner = np.full(len(found.solution.terms), -1)
        for number, members in enumerate(atoms):
            self._owner[members] = number

    def of(self, label: Label) -> Size:
        """The size of a label."""
        if label is None:
            return Size()
        content = self._found.solution.of(label)
        if content.number not in self._known:
            self._known[content.number] = self._size(label)
        return self._known[content.number]

    def _size(self, label: Label) -> Size:
        assert label is not None
        content = self._found.solution.of(label)
        constant, sums = 0.0, dict[tuple[int, ...], float]()
        ends = np.cumsum(content.lengths)
        for count, start, end in zip(content.counts, ends - content.lengths, ends, strict=True):
            owners = self._owner[content.atoms[start:end]]
            owned = tuple(sorted(owners[owners >= 0].tolist()))
            if owned:
                sums[owned] = sums.get(owned, 0.0) + float(count)
            else:
                constant += float(count)
        terms = tuple(
            (total / np.prod([len(self._found.members[one]) for one in owned]).item(),
             tuple(self._found.names[one] for one in owned))
            for owned, total in sums.items()
        )  # fmt: skip
        return Size(constant=constant, terms=terms)


def _unlabelled(shape: Shape) -> Labels:
    return [None for _ in shape]
