"""Batch norms folded into the operators before them, as every runtime does."""

import warnings

import torch
from torch.fx import GraphModule, Node

from pipeline.graph import Graph
from pipeline.quantize import rules
from pipeline.quantize.pt2e import fold_batch_norms


def fold(graph: Graph) -> Graph:
    """A copy of the graph whose convolutions and linear layers took in the batch norms behind them.

    Nodes and weights keep their names, so a plan fits both. Every operator with a stored weight has
    a bias of its own, called after the weight where it is new. Folding twice changes nothing.
    """
    folded = graph.copy()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of a norm that can't be folded: it stays, and stays float
        fold_batch_norms(folded.module)
    for node in weighted(folded.module):
        if len(node.args) < 3 or node.args[2] is None:
            _give_bias(folded.module, node)
    folded.module.recompile()
    return folded


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
    weight = module.get_parameter(str(weight_of(node)))
    axis = rules.WEIGHTED[node.target]
    bias = torch.nn.Parameter(weight.new_zeros(weight.shape[axis]), weight.requires_grad)
    owner, _, name = f"{weight_of(node)}_bias".rpartition(".")
    module.get_submodule(owner).register_parameter(name, bias)
    with module.graph.inserting_before(node):
        stored = module.graph.get_attr(f"{weight_of(node)}_bias")
    mode = node.meta["val"].fake_mode
    stored.meta["val"] = mode.from_tensor(bias, static_shapes=True)
    node.args = (*node.args[:2], stored, *node.args[3:])
