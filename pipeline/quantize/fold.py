"""Batch norms folded into the operators before them, as every runtime does."""

import torch
from torch.fx import GraphModule, Node

from pipeline.graph import Graph
from pipeline.graph.attributes import attribute
from pipeline.quantize import norms, rules


def fold(graph: Graph) -> Graph:
    """A copy of the graph whose convolutions and linear layers took in the batch norms behind them.

    A norm stays, and stays float, where its operator has other readers or a weight of others.
    Nodes and weights keep their names, so a plan fits both. Every operator with a stored weight has
    a bias of its own, called after the weight where it is new. Folding twice changes nothing.
    """
    folded = graph.copy()
    norms.take_in(folded.module)
    for node in weighted(folded.module):
        if len(node.args) < 3 or node.args[2] is None:
            _give_bias(folded.module, node)
    folded.module.recompile()
    return folded


def stored(module: torch.nn.Module, name: str) -> torch.Tensor:
    """The parameter or buffer of this name, without its gradient: for its value, or to be changed
    in place."""
    found = attribute(module, name)
    assert isinstance(found, torch.Tensor), f"'{name}' is no tensor"
    return found.detach()


def weighted(module: GraphModule) -> list[Node]:
    """The operators with a weight that can become int8, in the graph's order."""
    return [
        node
        for node in module.graph.nodes
        if node.target in rules.WEIGHTED and weight_of(node) is not None
    ]


def weight_of(node: Node) -> str | None:
    """The name of an operator's stored weight; None where it is computed."""
    weight = node.args[1]
    return str(weight.target) if isinstance(weight, Node) and weight.op == "get_attr" else None


def bias_of(node: Node) -> str:
    """The name of a weighted operator's bias in a folded graph."""
    bias = node.args[2]
    assert isinstance(bias, Node), f"{node.name} has no bias: the graph is not folded"
    return str(bias.target)


def _give_bias(module: GraphModule, node: Node) -> None:
    """A bias of zeros of the operator's own, though others may share its weight."""
    name = str(weight_of(node))
    weight = stored(module, name)
    owner, _, last = name.rpartition(".")
    last = f"{last}_bias"
    while hasattr(module.get_submodule(owner), last):
        last += "_again"
    bias = torch.nn.Parameter(weight.new_zeros(weight.shape[rules.WEIGHTED[node.target]]))
    module.get_submodule(owner).register_parameter(last, bias)
    with module.graph.inserting_before(node):
        made = module.graph.get_attr(f"{owner}.{last}" if owner else last)
    made.meta["val"] = node.meta["val"].fake_mode.from_tensor(bias, static_shapes=True)
    node.args = (*node.args[:2], made, *node.args[3:])
