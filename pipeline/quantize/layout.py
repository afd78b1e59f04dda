"""A graph as the rules see it: which operators round, which move values, which stay float.

Plain names and numbers, so that regions can be decided without torch.
"""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from typing import Literal

import torch
from torch.fx import Node

from pipeline.graph import Graph
from pipeline.graph.work import macs_by_node
from pipeline.quantize import rules
from pipeline.quantize.floats import ANNOTATION, is_float
from pipeline.quantize.fold import fold
from pipeline.quantize.quantizer import EdgeQuantizer, fused_activation

Role = Literal["computes", "fused", "moves", "float"]


@dataclass(frozen=True)
class Part:
    """One node with a float value, or with several.

    Attributes:
        name: the node's, in the graph with batch norms folded.
        operator: as `conv2d`; "" for the model's inputs and outputs.
        role: "computes" with int8 in and out; "fused" into the operator before; "moves" values
            that keep their scale; "float", since no rule covers it.
        module: the dotted name of the user's module that called it; "" where unknown.
        inputs: the parts that it reads.
        users: the parts that read it.
        macs: multiply-accumulates for one sample.
        weighted: whether it has a weight that becomes int8.
    """

    name: str
    operator: str
    role: Role
    module: str
    inputs: tuple[str, ...]
    users: tuple[str, ...]
    macs: int
    weighted: bool


Layout = Mapping[str, Part]
"""The parts by name, in the graph's order."""


def layout(graph: Graph) -> Layout:
    """How the rules see a graph. The graph stays as it is."""
    module = fold(graph).module
    quantizer = EdgeQuantizer()
    quantizer.annotate(module)
    macs = macs_by_node(graph)
    nodes = {node: None for node in module.graph.nodes if _carries_values(node)}
    return {
        node.name: Part(
            node.name,
            _operator(node),
            _role(node, quantizer.declined),
            _module(node),
            tuple(one.name for one in node.all_input_nodes if one in nodes),
            tuple(one.name for one in node.users if one in nodes),
            macs.get(node.name, 0),
            node.target in rules.WEIGHTED and node.name not in quantizer.declined,
        )
        for node in nodes
    }


def _carries_values(node: Node) -> bool:
    return node.op in ("placeholder", "call_function", "output") and (
        node.op != "call_function" or is_float(node)
    )


def _operator(node: Node) -> str:
    return str(node.target).split(".")[1] if isinstance(node.target, torch._ops.OpOverload) else ""


def _module(node: Node) -> str:
    stack = node.meta.get("nn_module_stack")
    return str(next(reversed(stack.values()))[0]) if stack else ""


def _role(node: Node, declined: Container[str]) -> Role:
    if ANNOTATION not in node.meta or node.name in declined:
        return "float"
    before = node.all_input_nodes[0]
    if node.target in rules.ACTIVATIONS and _rounds(before) and fused_activation(before) is node:
        return "fused"
    if node.target in rules.CARRYING or not isinstance(node.target, torch._ops.OpOverload):
        return "moves"
    return "computes"


def _rounds(node: Node) -> bool:
    return ANNOTATION in node.meta and (
        node.target in rules.WEIGHTED or node.target in rules.BINARY
    )
