"""Reading a graph as sites: what fuses, which axes may be pruned, how much work each site is.

A layer takes in the operators that follow it on its tensor alone, as runtimes fuse them: norms,
activations, and the addition of another tensor that is there already. What a removable block holds
never fuses with what it does not, so that a site goes whole or not at all.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from string import ascii_lowercase

import numpy as np
from torch import fx

from pipeline.cost.sites import Extent, Kind, Model, Site, Size, Widths
from pipeline.graph.groups import Survey, survey
from pipeline.graph.operators.entry import Labels, operator_name
from pipeline.graph.shapes import Shape, Shapes, double_batch, observe
from pipeline.graph.terms import Label
from pipeline.graph.trace import Graph
from pipeline.prune.blocks import Block, find_blocks
from pipeline.prune.extents import Extents
from pipeline.prune.regions import Flow, is_dead_end

FOLLOWERS = frozenset(
    ("add", "add_", "batch_norm", "gelu", "hardsigmoid", "hardswish", "hardswish_", "hardtanh",
     "hardtanh_", "leaky_relu", "mul", "mul_", "relu", "relu_", "relu6", "relu6_", "sigmoid",
     "silu", "silu_", "tanh")
)  # fmt: skip
"""Operators that runtimes compute on a layer's output while it is at hand."""
FREE = frozenset(
    ("_assert_tensor_metadata", "alias", "contiguous", "detach", "dropout", "dropout_", "getitem",
     "lift_fresh_copy")
)  # fmt: skip
"""Operators that no exported model executes in evaluation mode."""


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


@dataclass(frozen=True)
class Reading:
    """A graph's model, where the widths of each site's axes stand in it and in what pruning leaves
    of it, and the names of the nodes that each site executes."""

    model: Model
    axes: Mapping[str, tuple[Axis, ...]]
    nodes: Mapping[str, tuple[str, ...]]

    def present(self, pruned: Graph) -> dict[str, Widths]:
        """The widths of the sites that a graph pruned from this one still has, by name."""
        shapes = observe(pruned.module, double_batch(pruned.inputs, pruned.dynamic_batch))
        nodes = pruned.module.graph.nodes
        there = {node.name: node for node in nodes if node.op == "call_function"}
        return {
            name: tuple(float(axis.of(there[name], shapes)) for axis in axes)
            for name, axes in self.axes.items()
            if name in there
        }


def read(graph: Graph) -> Reading:
    """The sites of a graph, with its groups and the blocks that can go."""
    return _Reader(graph).reading()


@dataclass
class _Draft:
    """A site while its followers are gathered."""

    leader: fx.Node
    tail: fx.Node
    blocks: frozenset[str]
    fused: list[str] = field(default_factory=list)
    nodes: list[fx.Node] = field(default_factory=list)


class _Reader:
    def __init__(self, graph: Graph) -> None:
        inputs = double_batch(graph.inputs, graph.dynamic_batch)
        self._batch = inputs[0].shape[0] if inputs and inputs[0].dim() else 1
        self._nodes: list[fx.Node] = list(graph.module.graph.nodes)
        self._survey = survey(graph)
        self.shapes = observe(graph.module, inputs)
        self._extents = Extents(graph.module, self.shapes, self._batch)
        self._flow = Flow(graph.module, (*self.shapes.tensor, *self.shapes.several))
        self._blocks = [block for block in find_blocks(graph) if block.reason is None]
        self._sizes = _Sizes(self._survey)

    def reading(self) -> Reading:
        kinds: dict[str, Kind] = {}
        sites: list[Site] = []
        axes: dict[str, tuple[Axis, ...]] = {}
        drafts = list(self._drafts())
        for draft in drafts:
            described = _Description(self, draft)
            kind = kinds.setdefault(described.name, described.kind())
            sizes = tuple(self._sizes.of(label) for label in described.labels)
            name = draft.leader.name
            blocks = tuple(one.name for one in self._blocks if one.name in draft.blocks)
            sites.append(Site(name=name, kind=kind.name, sizes=sizes, blocks=blocks))
            axes[name] = tuple(described.axes)
        groups = dict(zip(self._survey.names, map(len, self._survey.members), strict=True))
        names = tuple(block.name for block in self._blocks)
        moments = tuple(self._moments(drafts))
        model = Model(groups=groups, blocks=names, kinds=kinds, sites=tuple(sites), moments=moments)
        nodes = {one.leader.name: tuple(node.name for node in one.nodes) for one in drafts}
        return Reading(model, axes, nodes)

    def _moments(self, drafts: Sequence[_Draft]) -> Iterator[tuple[str, ...]]:
        """By liveness: an output is in memory until the last that reads it has run."""
        order = self._flow.order
        ends = [
            max((order[user] for user in draft.tail.users), default=order[draft.tail])
            for draft in drafts
        ]
        for place, draft in enumerate(drafts):
            start = order[draft.leader]
            yield tuple(
                other.leader.name
                for other, end in zip(drafts[: place + 1], ends, strict=False)
                if other is draft or end >= start
            )

    # ---------------------------------------------------------------- what fuses
    def _drafts(self) -> Iterator[_Draft]:
        owner: dict[fx.Node, _Draft] = {}
        drafts: list[_Draft] = []
        for node in self._nodes:
            if node.op != "call_function" or not self._flow.is_data(node) or is_dead_end(node):
                continue
            given = self._flow.data_inputs(node)
            free = _operator(node) in FREE
            host = owner.get(given[0]) if free and given else self._host(node, given, owner)
            if host is None and free:
                continue
            if host is None:
                host = _Draft(node, node, _blocks_of(node, self._blocks))
                drafts.append(host)
            elif not free:
                host.fused.append(_operator(node))
            if host.tail in (node, *given):
                host.tail = node
            owner[node] = host
            host.nodes.append(node)
        yield from drafts

    def _host(
        self, node: fx.Node, given: Sequence[fx.Node], owner: Mapping[fx.Node, _Draft]
    ) -> _Draft | None:
        """The site that computes the latest of a follower's inputs, if that is its tail and nobody
        else's."""
        if _operator(node) not in FOLLOWERS or not given:
            return None
        latest = max(given, key=self._flow.order.__getitem__)
        host = owner.get(latest)
        if host is None or host.tail is not latest or len(self._flow.readers(latest)) != 1:
            return None
        alike = self.shapes.tensor.get(node.name) == self.shapes.tensor.get(latest.name)
        return host if alike and _blocks_of(node, self._blocks) == host.blocks else None

    # ---------------------------------------------------------------- what is asked of a node
    def tensors(self, node: fx.Node) -> Iterator[tuple[int | None, Shape, Labels]]:
        """What a node gives: the part, the shape and the labels of each tensor."""
        labels = self._survey.labelled.known.labels.get(node.name)
        if (shape := self.shapes.tensor.get(node.name)) is not None:
            known = labels if isinstance(labels, list) else _unlabelled(shape)
            yield None, shape, known
        for place, part in enumerate(self.shapes.several.get(node.name, ())):
            if part is not None:
                known = labels[place] if isinstance(labels, tuple) else _unlabelled(part)
                yield place, part, known

    def is_data(self, node: fx.Node) -> bool:
        """Whether its tensors have a batch."""
        return self._flow.is_data(node)

    def macs(self, node: fx.Node) -> float:
        """Multiply-accumulates per example."""
        return self._extents.macs_of(node) / self._batch

    def batch_of(self, shape: Shape) -> int:
        """By how much a data tensor's elements are divided to be those of one example."""
        return self._batch if shape and shape[0] % self._batch == 0 else 1

    def is_prunable(self, label: Label) -> bool:
        """Whether some of a dimension's indices can go."""
        return label is not None and bool(self._sizes.of(label).terms)

    def content(self, label: Label) -> int:
        """The number of what a label holds."""
        assert label is not None
        return self._survey.solution.of(label).number


class _Description:
    """A site's kind: its tensors written down with letters for prunable axes."""

    def __init__(self, reader: _Reader, draft: _Draft) -> None:
        self._reader = reader
        self._draft = draft
        self._places: dict[int, int] = {}
        self.labels: list[Label] = []
        self.axes: list[Axis] = []
        self._read: list[Extent] = []
        self._matrices: list[Extent] = []
        self._vectors: list[Extent] = []
        leader = draft.leader
        given = [self._given(*one) for one in enumerate(operands(leader))]
        written = [self._tensor(OUTPUT, *one, data=True) for one in reader.tensors(leader)]
        self._written = tuple(extent for _, extent in written)
        shown = " ".join(one for one in given if one)
        made = " ".join(text for text, _ in written)
        followers = "".join(f" + {name}" for name in draft.fused)
        self.name = f"{_operator(leader)} {shown} > {made}{followers}"

    def kind(self) -> Kind:
        """What was found."""
        macs = self._reader.macs(self._draft.leader)
        used = self._used_axes()
        whole = Extent(count=1.0, axes=used).at([self._full(axis) for axis in self.axes])
        return Kind(
            name=self.name,
            operator=_operator(self._draft.leader),
            axes=len(self.axes),
            work=(Extent(count=macs / whole, axes=used),) if macs else (),
            read=tuple(self._read),
            written=self._written,
            matrices=tuple(self._matrices),
            vectors=tuple(self._vectors),
        )

    def _full(self, axis: Axis) -> float:
        return float(axis.of(self._draft.leader, self._reader.shapes))

    def _used_axes(self) -> tuple[int, ...]:
        """Multiply-accumulates are a product of every axis that the site has, each once: of what
        contracts, what comes out, and what both go along with."""
        return tuple(range(len(self.axes)))

    def _given(self, operand: int, node: fx.Node) -> str:
        data = self._reader.is_data(node)
        shown = []
        for one in self._reader.tensors(node):
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
        batch = self._reader.batch_of(shape) if data else 1
        fixed, axes, letters = 1.0, [], []
        for dimension, (size, label) in enumerate(zip(shape, labels, strict=True)):
            if self._reader.is_prunable(label):
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
        content = self._reader.content(label)
        if content not in self._places:
            self._places[content] = len(self.axes)
            self.axes.append(axis)
            self.labels.append(label)
        return self._places[content]


class _Sizes:
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


def _operator(node: fx.Node) -> str:
    if hasattr(node.target, "_schema"):
        return operator_name(node)
    return str(getattr(node.target, "__name__", node.target))


def _unlabelled(shape: Shape) -> Labels:
    return [None for _ in shape]


def _blocks_of(node: fx.Node, blocks: Sequence[Block]) -> frozenset[str]:
    return frozenset(block.name for block in blocks if node.name in block.nodes)
