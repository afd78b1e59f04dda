"""Operators that look entries up by number."""

import numpy as np
import torch
from torch import fx

from pipeline.graph.attributes import attribute
from pipeline.graph.operators.entry import (
    Call,
    Labels,
    Operator,
    Result,
    Rewrite,
    Value,
    operator_name,
)
from pipeline.graph.terms import Vector

_PASSES_ON = frozenset(
    ("lift_fresh_copy", "alias", "detach", "detach_", "clone", "to", "_to_copy", "contiguous")
)


def _embedding(call: Call) -> Result:
    weight, indices = call.tensor("weight"), call.tensor("indices")
    call.pin(weight.labels[0], "looks it up")
    for label in indices.labels:
        call.pin(label, "looks it up")
    return [*[None] * len(indices.shape), weight.labels[1]]


def _embedding_bag(call: Call) -> Result:
    """Bags of looked-up rows, one after another: the first of four tensors has the channels."""
    weight = call.tensor("weight")
    call.pin(weight.labels[0], "looks it up")
    for name in ("indices", "offsets", "per_sample_weights"):
        found = call.tensor_or_none(name)
        for label in found.labels if found else ():
            call.pin(label, "looks it up")
    rest: list[Labels] = [[None] * len(shape) for shape in call.shapes[1:]]
    return ([None, weight.labels[1]], *rest)


def _gather(call: Call) -> Result:
    """Entries named one by one along a dimension, which stays whole; the others go together."""
    value, index = call.tensor("self"), call.tensor("index", "indices")
    along = call.dimension(len(value.shape))
    call.pin(value.labels[along], "looks it up")
    call.pin(index.labels[along], "looks it up")
    labels: Labels = []
    for place, (own, other) in enumerate(zip(value.labels, index.labels, strict=True)):
        if place == along or value.shape[place] == index.shape[place]:
            labels.append(None if place == along else call.unify(own, other))
        else:  # only the first entries are read
            call.pin(own, "reads its first entries")
            call.pin(other, "reads its first entries")
            labels.append(None)
    return labels


def _scatter(call: Call) -> Result:
    """Entries put where an index says along a dimension, which stays whole, as does the number of
    what is put there; the others go together."""
    value, index = call.tensor("self"), call.tensor("index")
    put = [one for name in ("src", "source") if (one := call.tensor_or_none(name))]
    along = call.dimension(len(value.shape))
    labels = list(value.labels)
    for other in [*put, index] if len(index.shape) == len(labels) else put:
        for place, (own, label) in enumerate(zip(labels, other.labels, strict=True)):
            if place != along and value.shape[place] == other.shape[place]:
                labels[place] = call.unify(own, label)
                continue
            call.pin(own, "puts entries into it")
            call.pin(label, "puts entries of it elsewhere")
            labels[place] = None
    return labels


def _index(call: Call) -> Result:
    """A constant index moves labels, and its numbers become ranks. A computed one keeps all."""
    value, indices = _indices(call)
    constant = _constant(call, value, indices)
    if constant is None:
        return _computed(call, value, indices)
    place, node, numbers = constant
    labels = list(value.labels)
    label = labels[place]
    labels[place] = None if label is None else label[numbers]
    for own in call.value(node).labels:
        call.unify(own, labels[place])  # entries of the index go with what they name
    return labels


def _rewrite_index(rewrite: Rewrite) -> None:
    """The stored numbers become ranks among the kept ones, in a buffer of this node's own."""
    value, indices = _indices(rewrite)
    constant = _constant(rewrite, value, indices)
    if constant is None:
        return
    place, node, numbers = constant
    alive = rewrite.alive(value.labels[place], value.shape[place])
    if alive.all():
        return
    ranks = np.cumsum(alive) - 1
    kept = torch.from_numpy(ranks[numbers[alive[numbers]]])
    rewrite.node.replace_input_with(node, rewrite.store(kept, node))


def _indices(call: Call) -> tuple[Value, dict[int, fx.Node]]:
    """The tensor, and what indexes it by position in the list of dimensions."""
    value = call.tensor("self")
    if "index" in call.arguments:
        return value, {call.dimension(len(value.shape)): call.tensor("index").node}
    given = enumerate(call.listed("indices"))
    return value, {place: item for place, item in given if isinstance(item, fx.Node)}


def _constant(
    call: Call, value: Value, indices: dict[int, fx.Node]
) -> tuple[int, fx.Node, Vector] | None:
    """The dimension, the node and the numbers of a single stored list of numbers."""
    if len(indices) != 1:
        return None
    ((place, node),) = indices.items()
    source = node
    while source.op == "call_function" and operator_name(source) in _PASSES_ON:
        source = source.all_input_nodes[0]
    stored = attribute(call.module, str(source.target)) if source.op == "get_attr" else None
    if not isinstance(stored, torch.Tensor) or stored.dim() != 1 or stored.dtype == torch.bool:
        return None
    numbers = stored.to("cpu", torch.int64).numpy()
    return place, node, np.where(numbers < 0, numbers + value.shape[place], numbers)


def _computed(call: Call, value: Value, indices: dict[int, fx.Node]) -> Result:
    """Indexed dimensions stay whole; the found ones stand in their place if side by side."""
    places = sorted(indices)
    taken = [place for at in places for place in range(at, at + _width(indices[at]))]
    for place in taken:
        call.pin(value.labels[place], "looks it up")
    for index in indices.values():
        for label in call.value(index).labels:
            call.pin(label, "looks it up")
    if places != list(range(places[0], places[-1] + 1)):
        raise NotImplementedError("indices that are not side by side")
    found = len(call.shape) - (len(value.shape) - len(taken))
    return [*value.labels[: taken[0]], *[None] * found, *value.labels[taken[-1] + 1 :]]


def _width(index: fx.Node) -> int:
    """How many dimensions an index takes: numbers one, a mask all that it has."""
    kind = index.meta.get("val")
    masks = isinstance(kind, torch.Tensor) and kind.dtype in (torch.bool, torch.uint8)
    return kind.dim() if isinstance(kind, torch.Tensor) and masks else 1


INDEX = Operator(_index, _rewrite_index)
_SCATTERS = (
    *("scatter", "scatter_", "scatter_add", "scatter_add_", "scatter_reduce", "scatter_reduce_"),
    *("index_add", "index_add_"),
)

RULES = {
    "embedding": Operator(_embedding),
    "embedding_bag": Operator(_embedding_bag),
    **dict.fromkeys(("gather", "take_along_dim"), Operator(_gather)),
    **dict.fromkeys(_SCATTERS, Operator(_scatter)),
    "index": INDEX,
    "index_select": INDEX,
}
