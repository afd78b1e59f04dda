"""Observing blocks: what can be taken out of a graph whole, its input put in place of its output.

Two kinds. A *branch*: for y = x + f(x), all that only f computes; y becomes x (stochastic depth,
Huang et al. 2016, is the training that shows why a residual net bears it). A *whole block*: a
region with weights, one tensor in and one out of the same shape and type. Branches of one sum,
nested branches and branches that also read something else (a mask, an encoder's states) are
branches too. Names come from the parameters inside, so they are those of every fresh trace.
"""

from collections.abc import Iterator
from dataclasses import dataclass, replace

from torch import fx

from pipeline.graph.operators.entry import operator_name
from pipeline.graph.shapes import double_batch
from pipeline.graph.trace import Graph
from pipeline.prune.block_names import Names, numbered
from pipeline.prune.extents import Extents
from pipeline.prune.hazards import hazard
from pipeline.prune.memory import Memory, recall
from pipeline.prune.regions import Flow, Region

_LONGEST_TAIL = 8  # norm, activation, dropout, layer scale: what follows a layer, one after another
_SUMS = ("add", "add_")
_IDEMPOTENT = ("relu", "relu_")


@dataclass(frozen=True)
class Block:
    """What could go: `exit` then gives what `entry` gives, and `nodes` are gone with it.

    `branch` is the node that a branch adds, None for a whole block. MACs are per example;
    parameters are counted in elements. `reason` says why a block must stay.
    """

    name: str
    entry: str
    exit: str
    branch: str | None
    nodes: frozenset[str]
    macs: int
    parameters: int
    reason: str | None = None

    def overlaps(self, other: "Block") -> bool:
        """Whether the two can't both be removed."""
        return not self.nodes.isdisjoint(other.nodes)


@dataclass(frozen=True)
class Blocks:
    """All blocks of a graph in its order, the memory of its nodes, and the graph's own numbers."""

    found: tuple[Block, ...]
    memory: Memory
    macs: int
    parameters: int


def find_blocks(graph: Graph) -> tuple[Block, ...]:
    """The blocks of a graph, in its order, with the reason for those that can't go."""
    return look_for_blocks(graph).found


def look_for_blocks(graph: Graph) -> Blocks:
    """The blocks of a graph with what surgery asks besides."""
    memory = recall(graph.module, double_batch(graph.inputs, graph.dynamic_batch))
    search = _Search(graph, memory)
    found = list(search.blocks())
    names = numbered(block.name for block in found)
    named = [replace(block, name=name) for block, name in zip(found, names, strict=True)]
    return Blocks(tuple(named), memory, search.extents.macs, search.extents.parameters)


class _Search:
    """One pass over a graph's sums and layers."""

    def __init__(self, graph: Graph, memory: Memory) -> None:
        self._module = graph.module
        self._memory = memory
        self._flow = Flow(graph.module, (*memory.layouts, *memory.shapes.several))
        inputs = double_batch(graph.inputs, graph.dynamic_batch)
        self.extents = Extents(graph.module, memory.shapes, inputs[0].shape[0] if inputs else 1)
        self._names = Names(graph.module)
        self._streams: dict[fx.Node, int] = {}

    def blocks(self) -> Iterator[Block]:
        """Branches, and whole blocks that lie in none of them."""
        found = [one for node in self._sums() for one in self._branch(node)]
        for node in self._module.graph.nodes:
            if self.extents.macs_of(node) or self._is_sum(node):
                whole = self._whole(self._tail(node), self._is_sum(node))
                found.extend(one for one in whole if not any(_told(one, two) for two in found))
        order = {node.name: place for node, place in self._flow.order.items()}
        yield from sorted(found, key=lambda one: (order[one.exit], len(one.nodes)))

    # ---------------------------------------------------------------- branches
    def _sums(self) -> Iterator[fx.Node]:
        yield from (node for node in self._module.graph.nodes if self._is_sum(node))

    def _is_sum(self, node: fx.Node) -> bool:
        return _called(node, _SUMS) and len(self._operands(node)) == 2 and len(node.args) == 2

    def _operands(self, node: fx.Node) -> list[fx.Node]:
        given = [one for one in node.args[:2] if isinstance(one, fx.Node)]
        return [one for one in given if self._flow.is_data(one)]

    def _branch(self, node: fx.Node) -> Iterator[Block]:
        """The branch that a sum adds to the stream that it was computed from."""
        self._streams[node] = self._stream(node)
        if node.kwargs.get("alpha", 1) != 1:
            return
        one, other = self._operands(node)
        for shortcut, branch in ((one, other), (other, one)):
            if not self._computed_from(branch, shortcut) or branch is shortcut:
                continue
            region = Region(self._flow, node, stop=shortcut)
            while region.grow():
                pass
            if branch in region.inside:
                yield from self._describe(region, shortcut, branch)
                return

    def _stream(self, node: fx.Node) -> int:
        """A sum's stream: the values that only sums lie between, as bits of the graph's order."""
        bits = 0
        for given in self._operands(node):
            bits |= self._streams.get(given, 0) | 1 << self._flow.order[given]
        return bits

    def _computed_from(self, branch: fx.Node, shortcut: fx.Node) -> bool:
        own = 1 << self._flow.order[shortcut]
        return self._flow.reaches(branch, own | self._streams.get(shortcut, 0))

    # ---------------------------------------------------------------- whole blocks
    def _tail(self, node: fx.Node) -> fx.Node:
        """The last of the node's followers that work on its tensor alone: norm, activation."""
        for _ in range(_LONGEST_TAIL):
            users = self._flow.readers(node)
            if len(users) != 1 or not self._follows(users[0], node):
                break
            node = users[0]
        return node

    def _follows(self, user: fx.Node, node: fx.Node) -> bool:
        alike = self._memory.layouts.get(user.name) == self._memory.layouts.get(node.name)
        alone = self._flow.data_inputs(user) == [node] and user.op == "call_function"
        return alike and alone and not self.extents.macs_of(user)

    def _whole(self, exit_: fx.Node, is_sum: bool) -> Iterator[Block]:
        """The smallest region of one entry like the exit. A sum that has none says so."""
        region = Region(self._flow, exit_)
        unlike: tuple[set[fx.Node], fx.Node] | None = None
        while True:
            if len(region.frontier) == 1 and any(map(self.extents.macs_of, region.inside)):
                (entry,) = region.frontier
                if self._alike(entry, exit_):
                    yield from self._describe(region, entry, None)
                    return
                unlike = unlike or (region.members(), entry)
            if not region.grow():
                break
        if is_sum and unlike is not None:
            yield self._unlike(*unlike, exit_)

    def _alike(self, one: fx.Node, other: fx.Node) -> bool:
        a, b = (self._memory.layouts.get(node.name) for node in (one, other))
        return a is not None and b is not None and (a.shape, a.dtype) == (b.shape, b.dtype)

    def _unlike(self, nodes: set[fx.Node], entry: fx.Node, exit_: fx.Node) -> Block:
        shapes = [list(self._memory.layouts[node.name].shape[1:]) for node in (entry, exit_)]
        reason = f"takes {shapes[0]} and gives {shapes[1]}, and only what keeps its shape can go"
        return replace(self._block(nodes, entry, exit_, None), reason=reason)

    # ---------------------------------------------------------------- both
    def _describe(self, region: Region, entry: fx.Node, branch: fx.Node | None) -> Iterator[Block]:
        nodes, exit_ = region.members(), region.exit
        if not self.extents.macs_in(nodes):
            return
        if branch is not None:
            exit_ = self._past_repeated(exit_, entry, nodes)
        block = self._block(nodes, entry, exit_, branch)
        if branch is not None and not self._alike(entry, exit_):
            yield self._unlike(nodes, entry, exit_)
        else:
            joint = region.exit if branch is not None else None
            reason = hazard(self._flow, self._memory, nodes, entry, exit_, joint)
            yield replace(block, reason=reason)

    def _past_repeated(self, exit_: fx.Node, entry: fx.Node, nodes: set[fx.Node]) -> fx.Node:
        """A rectifier after the sum goes too where the shortcut is rectified already."""
        users = self._flow.readers(exit_)
        if len(users) == 1 and _called(users[0], _IDEMPOTENT) and _called(entry, _IDEMPOTENT):
            nodes.update((users[0], *exit_.users))
            return users[0]
        return exit_

    def _block(
        self, nodes: set[fx.Node], entry: fx.Node, exit_: fx.Node, branch: fx.Node | None
    ) -> Block:
        return Block(
            name=self._names.of(nodes),
            entry=entry.name,
            exit=exit_.name,
            branch=branch.name if branch else None,
            nodes=frozenset(node.name for node in nodes),
            macs=self.extents.macs_in(nodes),
            parameters=self.extents.parameters_in(nodes),
        )


def _called(node: fx.Node, names: tuple[str, ...]) -> bool:
    operator = hasattr(node.target, "_schema") and node.op == "call_function"
    return operator and operator_name(node) in names


def _told(one: Block, other: Block) -> bool:
    """Whether a whole block needs no telling beside another: it lies in one that may go, or ends
    where one must stay."""
    return one.exit == other.exit if other.reason else one.nodes <= other.nodes
