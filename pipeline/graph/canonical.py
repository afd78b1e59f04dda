"""One form for what models write in many: projections of queries, keys and values in one matrix.

`view(…, 3, heads, width) → permute → unbind` ties the three: what is removed of one is removed of
all. As `split → view → permute` each, values are free of queries and keys, and the numbers are the
same. Any view that brings out parts to take apart is such a case, whatever their number.
"""

import math
import operator
from collections.abc import Callable, Iterator
from contextlib import nullcontext
from dataclasses import dataclass
from typing import cast

import torch
from torch import fx
from torch.fx.node import Argument

from pipeline.graph.operators.entry import bind, operator_name

ATEN = torch.ops.aten
_VIEWS = ("view", "reshape", "_unsafe_view")


@dataclass(frozen=True)
class _Fused:
    """A view whose dimension `place` numbers the parts of `source`'s dimension `along`; each part
    is then permuted (`order`, the parts' dimension still in it) and taken by the node given."""

    view: fx.Node
    source: fx.Node
    along: int
    place: int
    parts: int
    order: tuple[int, ...]
    taken: tuple[tuple[int, fx.Node], ...]


def canonicalise(module: fx.GraphModule) -> fx.GraphModule:
    """Put every fused projection into the form that splits first, in place."""
    found = [fused for node in module.graph.nodes if (fused := _fused(node))]
    for fused in found:
        _split(module.graph, fused)
    if found:
        module.graph.lint()
        module.recompile()
    return module


def _fused(view: fx.Node) -> _Fused | None:
    if not _calls(view, *_VIEWS) or len(view.users) != 1:
        return None
    after = next(iter(view.users))
    order, last = tuple(range(len(_shape(view)))), view
    if _calls(after, "permute", "transpose"):
        order, last = _order(after), after
    taken = list(_taken(last))
    if not taken or len({dimension for dimension, _, _ in taken}) != 1:
        return None
    place = order[taken[0][0]]
    source = bind(view)["self"]
    assert isinstance(source, fx.Node)
    along = _along(_shape(source), _shape(view), place)
    if along is None:
        return None
    each = tuple((index, node) for _, index, node in taken)
    return _Fused(view, source, along, place, int(_shape(view)[place]), order, each)


def _calls(node: fx.Node, *names: str) -> bool:
    if node.op != "call_function" or not isinstance(node.target, torch._ops.OpOverload):
        return False
    return operator_name(node) in names and isinstance(node.meta.get("val"), object)


def _shape(node: fx.Node) -> torch.Size:
    value = node.meta["val"]
    assert isinstance(value, torch.Tensor)
    return value.shape


def _order(node: fx.Node) -> tuple[int, ...]:
    given, rank = bind(node), len(_shape(node))
    dims = given.get("dims")
    if isinstance(dims, (list, tuple)):
        return tuple(int(str(one)) % rank for one in dims)
    order = list(range(rank))
    first, second = (int(str(given[name])) % rank for name in ("dim0", "dim1"))
    order[first], order[second] = order[second], order[first]
    return tuple(order)


def _taken(node: fx.Node) -> Iterator[tuple[int, int, fx.Node]]:
    """The dimension, the index and the node of every part, if all users take parts; else none."""
    found = []
    for user in node.users:
        if _calls(user, "unbind"):
            dimension = int(str(bind(user)["dim"])) % len(_shape(node))
            found += [(dimension, int(str(item.args[1])), item) for item in user.users]
        elif _calls(user, "select") and isinstance(bind(user)["index"], int):
            given = bind(user)
            dimension = int(str(given["dim"])) % len(_shape(node))
            index = int(str(given["index"])) % int(_shape(node)[dimension])
            found.append((dimension, index, user))
        else:
            return
    yield from found


def _along(source: torch.Size, view: torch.Size, place: int) -> int | None:
    """The dimension of the source whose outermost factor is the view's dimension at `place`."""
    parts = view[place]
    if not isinstance(parts, int) or parts < 2:
        return None
    lead = math.prod(view[:place])
    for along, size in enumerate(source):
        if isinstance(size, int) and math.prod(source[:along]) == lead:
            whole = size % parts == 0 and size > parts
            return along if whole else None
    return None


def _split(graph: fx.Graph, fused: _Fused) -> None:
    sizes = bind(fused.view).get("size", bind(fused.view).get("shape"))
    assert isinstance(sizes, (list, tuple))
    rest = [size for position, size in enumerate(sizes) if position != fused.place]
    order = [d - (d > fused.place) for d in fused.order if d != fused.place]
    width = int(_shape(fused.source)[fused.along]) // fused.parts
    with graph.inserting_before(fused.view):
        widths = [width] * fused.parts
        parts = _add(graph, ATEN.split_with_sizes.default, fused.source, widths, fused.along)
        made = {}
        for index in sorted({index for index, _ in fused.taken}):
            part = _add(graph, operator.getitem, parts, index)
            part = _add(graph, ATEN.reshape.default, part, rest)
            if order != sorted(order):
                part = _add(graph, ATEN.permute.default, part, order)
            made[index] = part
    for index, node in fused.taken:
        node.replace_all_uses_with(made[index])
    _erase(graph, fused.view)


def _add(graph: fx.Graph, target: Callable[..., object], *args: object) -> fx.Node:
    """A node with the metadata that the others have: the fake tensor that it gives."""
    given = cast(tuple[Argument, ...], args)
    made = graph.call_function(target, given)
    values = fx.map_arg(given, lambda node: node.meta["val"])
    mode = torch._guards.detect_fake_mode(values)
    with mode or nullcontext():
        made.meta["val"] = target(*values)
    return made


def _erase(graph: fx.Graph, node: fx.Node) -> None:
    for user in list(node.users):
        _erase(graph, user)
    graph.erase_node(node)
