"""Operators that move dimensions or repeat indices without computing."""

import numpy as np
from torch import fx

from pipeline.graph.operators.entry import Call, Labels, Operator, Result, Rewrite
from pipeline.graph.reshape import reshape


def _reshape(call: Call) -> Result:
    value = call.tensor("self")
    return reshape(call.terms, value.labels, value.shape, call.shape)


def _reshape_as(call: Call) -> Result:
    other = call.tensor("other")
    labels = _reshape(call)
    assert isinstance(labels, list)
    return [call.unify(a, b) for a, b in zip(labels, other.labels, strict=True)]


def _rewrite_shape(rewrite: Rewrite) -> None:
    """Constant sizes become the kept ones, and a -1 stays as it is: it may hide the batch. Only
    where a computed size changed its count, that one becomes the -1 and the other is spelt out."""
    name = "shape" if "shape" in rewrite.arguments else "size"
    sizes, kept = rewrite.listed(name), rewrite.kept_shape()
    if kept == list(rewrite.shape):
        return
    computed = [isinstance(size, fx.Node) for size in sizes]
    moved = [c and k != s for c, k, s in zip(computed, kept, rewrite.shape, strict=True)]
    new = [
        -1 if m or (size == -1 and not any(moved)) else size if c else k
        for size, c, m, k in zip(sizes, computed, moved, kept, strict=True)
    ]
    rewrite.set(name, new)


def _rewrite_unflatten(rewrite: Rewrite) -> None:
    """As in a view, a -1 stays: it may hide the batch."""
    first = rewrite.dimension(len(rewrite.tensor("self").shape))
    sizes = rewrite.listed("sizes")
    kept = rewrite.kept_shape()[first : first + len(sizes)]
    pairs = zip(sizes, kept, strict=True)
    rewrite.set("sizes", [s if isinstance(s, fx.Node) or s == -1 else count for s, count in pairs])


def _permute(call: Call) -> Result:
    labels = call.tensor("self").labels
    return [labels[position] for position in call.integers("dims")]


def _transpose(call: Call) -> Result:
    labels = list(call.tensor("self").labels)
    if len(labels) < 2:
        return labels
    first = call.number(call.arguments.get("dim0", call.arguments.get("axis0", -2)))
    second = call.number(call.arguments.get("dim1", call.arguments.get("axis1", -1)))
    labels[first], labels[second] = labels[second], labels[first]
    return labels


def _reverse(call: Call) -> Result:
    return call.tensor("self").labels[::-1]


def _movedim(call: Call) -> Result:
    labels = call.tensor("self").labels
    rank = len(labels)
    source = [number % rank for number in call.integers("source")]
    target = [number % rank for number in call.integers("destination")]
    rest = iter([position for position in range(rank) if position not in source])
    came = dict(zip(target, source, strict=True))
    return [labels[came[place] if place in came else next(rest)] for place in range(rank)]


def _expand(call: Call) -> Result:
    """Sizes that grow are a fresh axis: no parameter lies in it, so it follows what it meets."""
    value = call.tensor("self")
    offset = len(call.shape) - len(value.shape)
    other = call.tensor("other").labels if "other" in call.arguments else None
    labels: Labels = []
    for place, size in enumerate(call.shape):
        if place >= offset and value.shape[place - offset] == size:
            labels.append(value.labels[place - offset])
        elif other is not None:
            labels.append(other[place])
        elif isinstance(call.listed("size")[place], int):
            labels.append(call.terms.fresh(size))
        else:
            labels.append(None)
    return labels


def _rewrite_expand(rewrite: Rewrite) -> None:
    sizes, kept = rewrite.listed("size"), rewrite.kept_shape()
    if kept == list(rewrite.shape):
        return
    pairs = zip(sizes, kept, strict=True)
    rewrite.set("size", [s if isinstance(s, fx.Node) or s == -1 else count for s, count in pairs])


def _repeat(call: Call) -> Result:
    value, times = call.tensor("self"), call.integers("repeats", "dims")
    rank = max(len(times), len(value.shape))
    labels: Labels = [*[None] * (rank - len(value.shape)), *value.labels]
    counts = [1] * (rank - len(times)) + times
    return [
        None if label is None else np.tile(label, count)
        for label, count in zip(labels, counts, strict=True)
    ]


def _repeat_interleave(call: Call) -> Result:
    if call.arguments.get("dim") is None:
        raise NotImplementedError("repeat_interleave over a flattened tensor")
    labels = list(call.tensor("self").labels)
    place, times = call.dimension(len(labels)), call.integer("repeats")
    label = labels[place]
    labels[place] = None if label is None else np.repeat(label, times)
    return labels


def _flip(call: Call) -> Result:
    labels = list(call.tensor("self").labels)
    for position in call.integers("dims"):
        label = labels[position]
        labels[position] = None if label is None else label[::-1].copy()
    return labels


def _roll(call: Call) -> Result:
    value = call.tensor("self")
    for position in call.integers("dims") or range(len(value.shape)):
        call.pin(value.labels[position], "rolls it")
    return value.labels


def _triangle(call: Call) -> Result:
    value = call.tensor("self")
    for label in value.labels[-2:]:
        call.pin(label, "cuts a triangle of it")
    return value.labels


def _unfold(call: Call) -> Result:
    value = call.tensor("self")
    labels = list(value.labels)
    place = call.dimension(len(labels), "dimension")
    call.pin(labels[place], "slides over it")
    labels[place] = None
    return [*labels, None]


RESHAPE = Operator(_reshape)
SIZED = Operator(_reshape, _rewrite_shape)
TRANSPOSE = Operator(_transpose)
_MATRIX = ("mT", "mH", "adjoint")

RULES = {
    **dict.fromkeys(("view", "reshape", "_unsafe_view"), SIZED),
    **dict.fromkeys(
        ("flatten", "ravel", "squeeze", "squeeze_", "unsqueeze", "unsqueeze_"), RESHAPE
    ),
    "unflatten": Operator(_reshape, _rewrite_unflatten),
    **dict.fromkeys(("reshape_as", "view_as"), Operator(_reshape_as)),
    "permute": Operator(_permute),
    **dict.fromkeys(("transpose", "transpose_", "swapaxes", "swapdims", "t", *_MATRIX), TRANSPOSE),
    "numpy_T": Operator(_reverse),
    **dict.fromkeys(("movedim", "moveaxis"), Operator(_movedim)),
    **dict.fromkeys(("expand", "broadcast_to"), Operator(_expand, _rewrite_expand)),
    "expand_as": Operator(_expand),
    **dict.fromkeys(("repeat", "tile"), Operator(_repeat)),
    "repeat_interleave": Operator(_repeat_interleave),
    "flip": Operator(_flip),
    "roll": Operator(_roll),
    **dict.fromkeys(("tril", "triu"), Operator(_triangle)),
    "unfold": Operator(_unfold),
}
