"""Where values of a graph are float: what gives them, what reads them, and what stays float."""

import torch
from torch._ops import OpOverload
from torch.fx import Node

from pipeline.quantize import rules
from pipeline.quantize.pt2e import QuantizationAnnotation

ANNOTATION, DECLINED = "quantization_annotation", "declined"
"""Of a node: how PT2E quantizes it, and why it is not."""
KEPT = QuantizationAnnotation(_annotated=True)
"""Of a node that was decided to stay float."""


def is_float(node: Node) -> bool:
    """Whether the node's value is a float32 tensor, or a list that begins with one."""
    value = node.meta.get("val")
    if isinstance(value, list | tuple) and value:
        value = value[0]
    return isinstance(value, torch.Tensor) and value.dtype == torch.float32


def operands(node: Node) -> list[Node]:
    """The float tensors that an operator reads."""
    return [arg for arg in node.args if isinstance(arg, Node) and is_float(arg)]


def is_given_in_float(node: Node) -> bool:
    """Whether a value is stored, or comes from an operator that stays float."""
    source = moved(node)
    return source.op == "get_attr" or (source.op == "call_function" and _stays_float(source))


def leads_to_floats(node: Node) -> bool:
    """Whether float operators alone read a value, wherever it is moved, and added to such ones."""
    return all(
        _is_given_elsewhere(user, node) and leads_to_floats(user)
        if user.target in rules.BINARY and len(operands(user)) > 1 and ANNOTATION not in user.meta
        else _stays_float(user)
        for user in readers(node)
    )


def _is_given_elsewhere(binary: Node, value: Node) -> bool:
    """Whether what a binary operator reads besides a value is given in float."""
    others = [one for one in operands(binary) if moved(one) is not value]
    return all(map(is_given_in_float, others))


def moved(node: Node) -> Node:
    """Where a value was computed, before it was moved."""
    while node.target in rules.MOVING or is_element(node):
        node = operand_of(node)
    return node


def is_among_floats(node: Node) -> bool:
    """Whether what only moves values comes from an operator that stays float, or leads to such
    ones alone: runtimes fuse the moving with these."""
    return _comes_from_float(node) or all(_stays_float(user) for user in readers(node))


def readers(node: Node) -> list[Node]:
    """What computes with a value, wherever it is moved first."""
    waiting, found = list(node.users), dict[Node, None]()
    while waiting:
        user = waiting.pop()
        if user.target in rules.MOVING or is_element(user):
            waiting += user.users
        else:
            found[user] = None
    return list(found)


def is_element(node: Node) -> bool:
    """Whether Python takes a tensor out of a list here."""
    return node.op == "call_function" and not isinstance(node.target, OpOverload)


def _comes_from_float(node: Node) -> bool:
    source = moved(operand_of(node))
    return source.op == "call_function" and _stays_float(source)


def _stays_float(node: Node) -> bool:
    """Whether no rule covers an operator, as far as is known yet, or it is to stay float."""
    if node.op == "output":
        return False
    if DECLINED in node.meta or node.meta.get(ANNOTATION) == KEPT:
        return True
    if node.target in rules.BINARY:
        return len(operands(node)) < 2
    return node.target not in rules.COVERED


def takes_integers(node: Node) -> bool:
    """Whether an annotated operator reads int8; an output may."""
    annotation = node.meta.get(ANNOTATION)
    return node.op == "output" or bool(annotation and annotation.input_qspec_map)


def operand_of(node: Node) -> Node:
    """The operator's tensor operand."""
    data = node.args[0]
    assert isinstance(data, Node), f"{node.name} has no tensor operand"
    return data
