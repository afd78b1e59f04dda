"""How much of a graph's work and weights lies in which of its nodes."""

from collections.abc import Iterable

import torch
from torch import fx

from pipeline.graph.attributes import attribute, storage_key
from pipeline.graph.operators import rule_for
from pipeline.graph.operators.entry import Call, Known, Result
from pipeline.graph.shapes import Shapes
from pipeline.graph.terms import Terms


class Extents:
    """Multiply-accumulates per example and trained parameters, node by node."""

    def __init__(self, module: fx.GraphModule, shapes: Shapes, batch: int) -> None:
        """`shapes` are those of inputs with a batch of this size."""
        self._batch = max(1, batch)
        self._work = _count_work(module, shapes)
        self._stored = _stored(module)
        self.macs = sum(self._work.values()) // self._batch
        self.parameters = self.parameters_in(module.graph.nodes)

    def macs_of(self, node: fx.Node) -> int:
        """Multiply-accumulates of one node, for the whole batch."""
        return self._work.get(node.name, 0)

    def macs_in(self, nodes: Iterable[fx.Node]) -> int:
        """Multiply-accumulates of these nodes per example."""
        return sum(map(self.macs_of, nodes)) // self._batch

    def parameters_in(self, nodes: Iterable[fx.Node]) -> int:
        """Elements of the trained parameters that these nodes hold, and no other node does."""
        inside = {node.name for node in nodes}
        return sum(size for size, holders in self._stored if holders and holders <= inside)


def _count_work(module: fx.GraphModule, shapes: Shapes) -> dict[str, int]:
    """Work is a product of sizes, so no labels are needed to count it."""
    labels: dict[str, Result] = {name: [None] * len(shape) for name, shape in shapes.tensor.items()}
    for name, parts in shapes.several.items():
        labels[name] = tuple([None] * len(shape or ()) for shape in parts)
    known = Known(module, Terms(), shapes, labels)
    work: dict[str, int] = {}
    for node in module.graph.nodes:
        rule = rule_for(node.target) if isinstance(node.target, torch._ops.OpOverload) else None
        if rule is not None and rule.macs is not None:
            work[node.name] = sum(map(_product, rule.macs(Call(node, known))))
    return work


def _product(dimensions: Iterable[tuple[object, int]]) -> int:
    value = 1
    for _, size in dimensions:
        value *= size
    return value


def _stored(module: fx.GraphModule) -> list[tuple[int, set[str]]]:
    """Per trained parameter its elements, and the nodes that give it; tied ones are one."""
    holders: dict[tuple[object, ...], set[str]] = {}
    sizes: dict[tuple[object, ...], int] = {}
    for node in module.graph.nodes:
        if node.op != "get_attr":
            continue
        tensor = attribute(module, str(node.target))
        if isinstance(tensor, torch.nn.Parameter):
            key = storage_key(tensor)
            sizes[key] = tensor.numel()
            holders.setdefault(key, set()).add(node.name)
    return [(sizes[key], holders[key]) for key in holders]
