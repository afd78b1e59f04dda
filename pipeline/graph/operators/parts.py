"""Operators that join tensors, cut them into parts, or pad them."""

import sys

import numpy as np
import torch
from torch import fx

from pipeline.graph.operators.entry import Call, Labels, Operator, Result, Rewrite
from pipeline.graph.terms import ONE, Label, Terms, Vector


# ------------------------------------------------------------------ joining
def _cat(call: Call) -> Result:
    return _joined(call, call.dimension(len(call.shape)))


def _side_by_side(call: Call) -> Result:
    return _joined(call, 0 if len(call.shape) == 1 else 1)


def _one_below_the_other(call: Call) -> Result:
    return _joined(call, 0)


def _joined(call: Call, along: int) -> Labels:
    values = [value for value in call.tensors("tensors") if value.shape != (0,)]
    rank = len(call.shape)
    if any(len(value.shape) != rank for value in values):
        raise NotImplementedError("tensors that get a dimension more")
    labels: Labels = []
    for place in range(rank):
        if place == along:
            labels.append(_concatenate([(v.labels[place], v.shape[place]) for v in values]))
            continue
        label = values[0].labels[place]
        for value in values[1:]:
            label = call.unify(label, value.labels[place])
        labels.append(label)
    return labels


def _concatenate(parts: list[tuple[Label, int]]) -> Label:
    if all(label is None for label, _ in parts):
        return None
    return np.concatenate(
        [np.full(size, ONE, np.int64) if label is None else label for label, size in parts]
    )


def _meshgrid(call: Call) -> Result:
    """A dimension of the grid for each tensor; by "xy" the first two change places."""
    labels = [value.labels[0] if value.shape else None for value in call.tensors("tensors")]
    if call.arguments.get("indexing") == "xy":
        labels[:2] = labels[1::-1]
    return tuple(list(labels) for _ in call.shapes)


def _stack(call: Call) -> Result:
    values = call.tensors("tensors")
    labels = list(values[0].labels)
    for value in values[1:]:
        labels = [call.unify(a, b) for a, b in zip(labels, value.labels, strict=True)]
    labels.insert(call.dimension(len(call.shape)), None)
    return labels


# ------------------------------------------------------------------ cutting
def _split(call: Call) -> Result:
    value = call.tensor("self")
    along = call.dimension(len(value.shape))
    label, start = value.labels[along], 0
    parts: list[Labels] = []
    for shape in call.shapes:
        labels = list(value.labels)
        labels[along] = None if label is None else label[start : start + shape[along]]
        start += shape[along]
        parts.append(labels)
    return tuple(parts)


def _rewrite_split(rewrite: Rewrite) -> None:
    """Parts of equal sizes become parts of the kept sizes."""
    value = rewrite.tensor("self")
    along = rewrite.dimension(len(value.shape))
    labels = rewrite.known.labels[rewrite.node.name]
    if value.labels[along] is None or not isinstance(labels, tuple):
        return
    sizes = [
        rewrite.kept(part[along], shape[along])
        for part, shape in zip(labels, rewrite.shapes, strict=True)
    ]
    rewrite.node.target = torch.ops.aten.split_with_sizes.default
    rewrite.node.args, rewrite.node.kwargs = (value.node, sizes, along), {}


def _unbind(call: Call) -> Result:
    value = call.tensor("self")
    along = call.dimension(len(value.shape))
    call.pin(value.labels[along], "takes it apart")
    rest = value.labels[:along] + value.labels[along + 1 :]
    return tuple(list(rest) for _ in call.shapes)


def _select(call: Call) -> Result:
    value = call.tensor("self")
    along = call.dimension(len(value.shape))
    label, index = value.labels[along], call.arguments["index"]
    if label is not None:
        call.pin(label[[index]] if isinstance(index, int) else label, "selects it")
    return value.labels[:along] + value.labels[along + 1 :]


def _cut(rewrite: Rewrite) -> tuple[Label, int]:
    """The label and the size of the dimension that is cut, before the cut."""
    value = rewrite.tensor("self")
    along = rewrite.dimension(len(value.shape))
    return value.labels[along], value.shape[along]


def _rewrite_select(rewrite: Rewrite) -> None:
    """The index becomes its rank among the kept ones."""
    label, size = _cut(rewrite)
    index = rewrite.arguments["index"]
    if label is not None and isinstance(index, int):
        rewrite.set("index", int(rewrite.alive(label, size)[: index % size].sum()))


def _bounds(call: Call, size: int) -> tuple[int, int, int]:
    start, end, step = (call.arguments[name] for name in ("start", "end", "step"))
    first = 0 if start is None else call.number(start)
    last = size if end is None else call.number(end)
    first, last = (max(0, min(size, at + size if at < 0 else at)) for at in (first, last))
    return first, max(first, last), call.number(step)


def _slice(call: Call) -> Result:
    """With a step, each block of `step` indices lives and dies as one."""
    value = call.tensor("self")
    labels = list(value.labels)
    along = call.dimension(len(labels))
    label, size = labels[along], value.shape[along]
    if label is None:
        return labels
    start, end, step = _bounds(call, size)
    if step > 1 and (size % step or any(isinstance(n, fx.Node) for n in call.node.args[1:])):
        call.pin(label, "steps through it unevenly")
        labels[along] = None
        return labels
    for offset in range(1, step):
        call.unify(label[::step], label[offset::step])
    labels[along] = label[start:end:step]
    return labels


def _rewrite_slice(rewrite: Rewrite) -> None:
    """A bound becomes the number of kept indices before it (with a step, of whole blocks)."""
    label, size = _cut(rewrite)
    if label is None:
        return
    start, end, step = _bounds(rewrite, size)
    alive, within = rewrite.alive(label, size), start % step
    if alive.all():
        return
    rewrite.set("start", int(alive[: start - within].sum()) + within)
    rewrite.set("end", sys.maxsize if end == size else int(alive[:end].sum()))


def _span(call: Call, size: int) -> tuple[int, int]:
    """Where a narrowed dimension begins and ends."""
    start = call.integer("start") % size
    return start, start + call.integer("length")


def _narrow(call: Call) -> Result:
    value = call.tensor("self")
    labels = list(value.labels)
    along = call.dimension(len(labels))
    label = labels[along]
    if label is not None:
        start, end = _span(call, value.shape[along])
        labels[along] = label[start:end]
    return labels


def _rewrite_narrow(rewrite: Rewrite) -> None:
    label, size = _cut(rewrite)
    if label is None:
        return
    alive, (start, end) = rewrite.alive(label, size), _span(rewrite, size)
    rewrite.set("start", int(alive[:start].sum()))
    rewrite.set("length", int(alive[start:end].sum()))


def _glu(call: Call) -> Result:
    """The first half of a dimension, gated by the second: what goes, goes from both."""
    value = call.tensor("self")
    labels = list(value.labels)
    along = call.dimension(len(labels))
    label, half = labels[along], value.shape[along] // 2
    if label is not None:
        labels[along] = call.unify(label[:half], label[half:])
    return labels


# ------------------------------------------------------------------ padding
def _amounts(call: Call, rank: int) -> dict[int, tuple[int, int]]:
    """Per dimension, how much is put before it and after it."""
    pad = call.integers("pad")
    pairs = enumerate(zip(pad[::2], pad[1::2], strict=True))
    return {rank - 1 - back: pair for back, pair in pairs if pair != (0, 0)}


def _pad(call: Call) -> Result:
    """Constants around a dimension are fresh atoms, which follow what they are added to."""
    value = call.tensor("self")
    labels = list(value.labels)
    constant = call.arguments.get("mode", "constant") == "constant"
    for place, (before, after) in _amounts(call, len(labels)).items():
        label = labels[place]
        if label is not None and constant and before >= 0 and after >= 0:
            around = [_fresh(call.terms, before), label, _fresh(call.terms, after)]
            labels[place] = np.concatenate(around)
        else:
            call.pin(label, "pads it")
            labels[place] = None
    return labels


def _fresh(terms: Terms, count: int) -> Vector:
    """Fresh atoms for any count: none, or one that is not taken for a dimension of size one."""
    made = terms.fresh(max(count, 2))
    assert made is not None
    return made[:count]


def _rewrite_pad(rewrite: Rewrite) -> None:
    pad = rewrite.listed("pad")
    for place, (before, after) in _amounts(rewrite, len(rewrite.shape)).items():
        label, size = rewrite.labels[place], rewrite.shape[place]
        if label is None:
            continue
        alive, at = rewrite.alive(label, size), 2 * (len(rewrite.shape) - 1 - place)
        pad[at : at + 2] = [int(alive[:before].sum()), int(alive[size - after :].sum())]
    rewrite.set("pad", pad)


_SPLITS = (
    *("split", "split_with_sizes", "chunk", "tensor_split", "unsafe_split", "unsafe_chunk"),
    "unsafe_split_with_sizes",
)
SPLIT, PAD, CAT = Operator(_split, _rewrite_split), Operator(_pad, _rewrite_pad), Operator(_cat)

RULES = {
    **dict.fromkeys(("cat", "concat", "concatenate"), CAT),
    **dict.fromkeys(("hstack", "column_stack"), Operator(_side_by_side)),
    **dict.fromkeys(("vstack", "row_stack"), Operator(_one_below_the_other)),
    "stack": Operator(_stack),
    "meshgrid": Operator(_meshgrid),
    **dict.fromkeys(_SPLITS, SPLIT),
    "unbind": Operator(_unbind),
    "select": Operator(_select, _rewrite_select),
    "slice": Operator(_slice, _rewrite_slice),
    "narrow": Operator(_narrow, _rewrite_narrow),
    "glu": Operator(_glu),
    **dict.fromkeys(("pad", "constant_pad_nd"), PAD),
}
