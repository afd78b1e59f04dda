"""Batch norms that the operators before them take in, as every runtime folds them.

An operator takes in a norm where nobody else sees the difference: only the norm reads what the
operator computes, and whoever else uses its weight is followed by the same norm. torchao's folding,
which `prepare_pt2e` begins with, asks for neither. So norms are folded here, and those that stay
are hidden from torchao.
"""

from collections.abc import Hashable, Iterator, Sequence
from typing import TypeGuard

import torch
from torch.fx import GraphModule, Node
from torch.nn.utils.fusion import fuse_conv_bn_weights, fuse_linear_bn_weights

from pipeline.graph.attributes import attribute, replace_attribute
from pipeline.graph.operators.entry import bind

aten = torch.ops.aten

BATCH_NORM = aten.batch_norm.default
TRANSPOSED = frozenset(
    {
        aten.conv_transpose1d.default,
        aten.conv_transpose2d.input,
        aten.conv_transpose3d.input,
    }
)
CONVOLUTIONS = TRANSPOSED | {
    aten.conv1d.default,
    aten.conv1d.padding,
    aten.conv2d.default,
    aten.conv2d.padding,
    aten.conv3d.default,
    aten.conv3d.padding,
}
LINEAR = aten.linear.default
_GAIN = ("weight", "bias")
_STATISTICS = ("running_mean", "running_var")


def take_in(module: GraphModule) -> None:
    """Folds batch norms into the operators before them, in place.

    An operator without a bias gets one, called after its weight. By
    torch.nn.utils.fusion, which computes gain / sqrt(variance + epsilon).
    """
    for norms in list(_alike(module)):
        operators = [_before(norm) for norm in norms]
        _fold(module, norms[0], operators)
        for norm, operator in zip(norms, operators, strict=True):
            norm.replace_all_uses_with(operator)
            module.graph.erase_node(norm)
    module.graph.eliminate_dead_code()
    module.recompile()


def hide(module: GraphModule) -> None:
    """Makes the norms that are left something that torchao does not know, in place."""
    for node in module.graph.nodes:
        if node.target is BATCH_NORM:
            node.target = _hidden


def show(module: GraphModule) -> None:
    """Undoes `hide`."""
    for node in module.graph.nodes:
        if node.target is _hidden:
            node.target = BATCH_NORM


def _hidden(*arguments: object) -> None:
    raise AssertionError("a batch norm that was hidden is never run")


def _alike(module: GraphModule) -> Iterator[list[Node]]:
    """The norms that can be folded: each list is of the operators that share one weight."""
    readers = _readers(module)
    by_weight: dict[str, list[Node]] = {}
    for node in module.graph.nodes:
        if node.target is BATCH_NORM and _is_taken(node):
            by_weight.setdefault(_stored_names(_before(node))[0], []).append(node)
    for norms in by_weight.values():
        operators = {_before(norm) for norm in norms}
        names = {name for operator in operators for name in _stored_names(operator)}
        if len({_facts(norm) for norm in norms}) == 1 and all(
            readers[name] == operators for name in names
        ):
            yield norms


def _readers(module: GraphModule) -> dict[str, set[Node]]:
    """Who reads each stored tensor."""
    readers: dict[str, set[Node]] = {}
    for node in module.graph.nodes:
        if node.op == "get_attr":
            readers.setdefault(str(node.target), set()).update(node.users)
    return readers


def _is_taken(norm: Node) -> bool:
    """Whether the operator before a norm could take it in, if nobody shares its weight."""
    operator, given = norm.args[0], bind(norm)
    is_constant = (
        not given["training"]
        and all(_is_stored(given[name]) for name in _STATISTICS)
        and all(given[name] is None or _is_stored(given[name]) for name in _GAIN)
    )
    if not is_constant or not isinstance(operator, Node) or set(operator.users) != {norm}:
        return False
    if operator.target not in CONVOLUTIONS and operator.target != LINEAR:
        return False
    found = bind(operator)
    if not _is_stored(found["weight"]) or not (found["bias"] is None or _is_stored(found["bias"])):
        return False
    if operator.target in TRANSPOSED:
        return found["groups"] == 1
    return operator.target != LINEAR or _rank(operator) == 2  # a norm's channels are dimension 1


def _before(norm: Node) -> Node:
    operator = norm.args[0]
    assert isinstance(operator, Node)
    return operator


def _rank(node: Node) -> int:
    return int(node.meta["val"].dim())


def _is_stored(argument: object) -> TypeGuard[Node]:
    return isinstance(argument, Node) and argument.op == "get_attr"


def _stored_names(operator: Node) -> list[str]:
    """The names of an operator's weight and, if it has one, bias."""
    found = bind(operator)
    return [str(one.target) for one in (found["weight"], found["bias"]) if _is_stored(one)]


def _facts(norm: Node) -> tuple[Hashable, ...]:
    """What a norm computes with, and what the operator before it has."""
    given = bind(norm)
    stored = [given[name] for name in (*_GAIN, *_STATISTICS)]
    names = [str(one.target) if isinstance(one, Node) else None for one in stored]
    return (*names, float(str(given["eps"])), *_stored_names(_before(norm)))


def _fold(module: GraphModule, norm: Node, operators: Sequence[Node]) -> None:
    """The operators' one weight and bias, with what the norm does in them."""
    given, found = bind(norm), bind(operators[0])
    gain, offset, mean, variance = (_tensor(module, given[one]) for one in (*_GAIN, *_STATISTICS))
    weight, bias = (_tensor(module, found[name]) for name in ("weight", "bias"))
    assert weight is not None
    assert mean is not None
    assert variance is not None
    gain = torch.ones_like(mean) if gain is None else gain
    offset = torch.zeros_like(mean) if offset is None else offset
    numbers = (weight, bias, mean, variance, float(str(given["eps"])), gain, offset)
    fused = (
        fuse_linear_bn_weights(*numbers)
        if operators[0].target == LINEAR
        else fuse_conv_bn_weights(*numbers, transpose=operators[0].target in TRANSPOSED)
    )
    names = _stored_names(operators[0])
    replace_attribute(module, names[0], fused[0])
    if bias is not None:
        replace_attribute(module, names[1], fused[1])
        return
    replace_attribute(module, f"{names[0]}_bias", fused[1])
    first = min(operators)
    with module.graph.inserting_before(first):
        made = module.graph.get_attr(f"{names[0]}_bias")
    made.meta["val"] = first.meta["val"].fake_mode.from_tensor(fused[1], static_shapes=True)
    for operator in operators:
        operator.args = (*operator.args[:2], made, *operator.args[3:])


def _tensor(module: GraphModule, argument: object) -> torch.Tensor | None:
    if not _is_stored(argument):
        return None
    found = attribute(module, str(argument.target))
    assert isinstance(found, torch.Tensor)
    return found
