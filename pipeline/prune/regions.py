"""Regions of a graph that have one way out: what could go with it, and what it is given."""

from collections.abc import Iterable

from torch import fx

from pipeline.prune.memory import targets


class Flow:
    """The order of a graph's nodes, which of them depend on the model's inputs, and on whom."""

    def __init__(self, module: fx.GraphModule, tensors: Iterable[str]) -> None:
        """`tensors` names the nodes that give tensors; numbers are computed anew from shapes and
        count as no dependence."""
        self.order = {node: place for place, node in enumerate(module.graph.nodes)}
        self._tensors = frozenset(tensors)
        self._above: dict[fx.Node, int] = {}
        for node, place in self.order.items():
            above = sum_of(self._above[given] for given in node.all_input_nodes)
            carries = node.op == "placeholder" or (above and node.name in self._tensors)
            self._above[node] = above | (1 << place) if carries else 0

    def is_data(self, node: fx.Node) -> bool:
        """Whether a node gives tensors that depend on the model's inputs."""
        return self._above[node] != 0

    def depends(self, node: fx.Node, on: fx.Node) -> bool:
        """Whether a node is computed from another, or is it."""
        return self.reaches(node, 1 << self.order[on])

    def reaches(self, node: fx.Node, places: int) -> bool:
        """Whether a node is computed from any at these places of the order, given as bits."""
        return bool(self._above[node] & places)

    def data_inputs(self, node: fx.Node) -> list[fx.Node]:
        """The data that a node is given."""
        return [given for given in node.all_input_nodes if self.is_data(given)]

    def readers(self, node: fx.Node) -> list[fx.Node]:
        """Who uses a node's value, but for those that only assert something of it."""
        return [user for user in node.users if not is_dead_end(user)]


def sum_of(sets: Iterable[int]) -> int:
    """The union of sets kept as the bits of integers."""
    union = 0
    for one in sets:
        union |= one
    return union


def is_dead_end(node: fx.Node) -> bool:
    """Whether nothing uses a node and it writes nothing, as an assertion."""
    return node.op == "call_function" and not node.users and not any(targets(node))


class Region:
    """All that one node, the exit, is computed from, as far as nobody else uses it.

    It grows backwards one node at a time, so that the smallest region with one entry comes first.
    `frontier` is the data that it is given from outside.
    """

    def __init__(self, flow: Flow, exit_: fx.Node, stop: fx.Node | None = None) -> None:
        """The region of the exit alone; it never grows over `stop`."""
        self.exit = exit_
        self.inside: set[fx.Node] = set()
        self.frontier: set[fx.Node] = set()
        self._flow = flow
        self._stop = stop
        self._take(exit_)

    def grow(self) -> bool:
        """Take in the latest data that only the region uses; False where there is none."""
        latest = sorted(self.frontier, key=self._flow.order.__getitem__, reverse=True)
        for node in latest:
            if node is not self._stop and node.op == "call_function" and self._owns(node):
                self.frontier.discard(node)
                self._take(node)
                return True
        return False

    def members(self) -> set[fx.Node]:
        """The nodes that go with the exit: with the data also parameters and constants that
        nobody else uses, and assertions."""
        found = set(self.inside)
        pending = list(found)
        while pending:
            node = pending.pop()
            ends = [user for user in node.users if is_dead_end(user) and node is not self.exit]
            constants = [given for given in node.all_input_nodes if not self._flow.is_data(given)]
            owned = [given for given in constants if found.issuperset(given.users)]
            new = [one for one in (*ends, *owned) if one not in found]
            found.update(new)
            pending.extend(new)
        return found

    def _owns(self, node: fx.Node) -> bool:
        return self.inside.issuperset(self._flow.readers(node))

    def _take(self, node: fx.Node) -> None:
        self.inside.add(node)
        self.frontier.update(set(self._flow.data_inputs(node)) - self.inside)
