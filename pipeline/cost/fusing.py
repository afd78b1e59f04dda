"""What a runtime executes as one: a layer with the operators that follow it on its tensor alone."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from torch import fx

from pipeline.graph.operators.entry import operator_name
from pipeline.graph.shapes import Shapes
from pipeline.prune.blocks import Block
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


@dataclass
class Fused:
    """The nodes of a site. `leader` comes first and `tail` last; `followers` are the names of the
    operators that the leader took in; `blocks` are those that hold all of it."""

    leader: fx.Node
    tail: fx.Node
    blocks: frozenset[str]
    followers: list[str] = field(default_factory=list)
    nodes: list[fx.Node] = field(default_factory=list)


def fuse(
    module: fx.GraphModule, flow: Flow, shapes: Shapes, blocks: Sequence[Block]
) -> list[Fused]:
    """The sites of a graph, in its order.

    A norm, an activation, or the addition of a tensor that is there already joins the site that
    computes the latest of its inputs, if nobody else reads that. What a removable block holds never
    fuses with what it does not, so that a site goes whole or not at all.
    """
    return _Fusing(flow, shapes, blocks).all(module)


class _Fusing:
    def __init__(self, flow: Flow, shapes: Shapes, blocks: Sequence[Block]) -> None:
        self._flow = flow
        self._shapes = shapes
        self._blocks = blocks
        self._owner: dict[fx.Node, Fused] = {}

    def all(self, module: fx.GraphModule) -> list[Fused]:
        """Node by node."""
        found: list[Fused] = []
        for node in module.graph.nodes:
            if node.op != "call_function" or not self._flow.is_data(node) or is_dead_end(node):
                continue
            given = self._flow.data_inputs(node)
            free = operator_of(node) in FREE
            host = self._owner.get(given[0]) if free and given else self._host(node, given)
            if host is None and free:
                continue
            if host is None:
                host = Fused(node, node, self._holding(node))
                found.append(host)
            elif not free:
                host.followers.append(operator_of(node))
            self._join(node, given, host)
        return found

    def _join(self, node: fx.Node, given: Sequence[fx.Node], host: Fused) -> None:
        if host.tail in (node, *given):
            host.tail = node
        self._owner[node] = host
        host.nodes.append(node)

    def _host(self, node: fx.Node, given: Sequence[fx.Node]) -> Fused | None:
        if operator_of(node) not in FOLLOWERS or not given:
            return None
        latest = max(given, key=self._flow.order.__getitem__)
        host = self._owner.get(latest)
        if host is None or host.tail is not latest or len(self._flow.readers(latest)) != 1:
            return None
        known: Mapping[str, object] = self._shapes.tensor
        alike = known.get(node.name) == known.get(latest.name)
        return host if alike and self._holding(node) == host.blocks else None

    def _holding(self, node: fx.Node) -> frozenset[str]:
        return frozenset(block.name for block in self._blocks if node.name in block.nodes)


def operator_of(node: fx.Node) -> str:
    """The operator's name without its overload; that of a Python function where it is one."""
    if hasattr(node.target, "_schema"):
        return operator_name(node)
    return str(getattr(node.target, "__name__", node.target))
