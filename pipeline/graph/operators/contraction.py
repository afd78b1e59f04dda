"""Operators that sum a dimension of one tensor against a dimension of another."""

from collections.abc import Sequence

from pipeline.graph.operators.entry import (
    Call,
    Labels,
    Operator,
    Product,
    Result,
    Value,
    dimensions,
)
from pipeline.graph.terms import Label

Letters = tuple[str, ...]  # of an einsum: one for each dimension


def broadcast_lead(call: Call, values: Sequence[Value], trailing: int = 2) -> Labels:
    """Labels of the leading dimensions of operands that broadcast against each other."""
    rank = max(len(value.shape) for value in values) - trailing
    labels: Labels = []
    for back in range(rank + trailing, trailing, -1):
        wide = [v for v in values if len(v.shape) >= back and v.shape[-back] != 1]
        label: Label = wide[0].labels[-back] if wide else None
        for value in wide[1:]:
            label = call.unify(label, value.labels[-back])
        labels.append(label)
    return labels


def _linear(call: Call) -> Result:
    value, weight, bias = call.tensor("input"), call.tensor("weight"), call.tensor_or_none("bias")
    call.unify(value.labels[-1], weight.labels[-1])
    if len(weight.shape) == 1:
        return value.labels[:-1]
    if bias is not None:
        call.unify(weight.labels[0], bias.labels[0])
    return [*value.labels[:-1], weight.labels[0]]


def _linear_macs(call: Call) -> list[Product]:
    output = dimensions(call.value(call.node))
    return [(*output, dimensions(call.tensor("weight"))[-1])]


def _operands(call: Call) -> tuple[Value, Value]:
    return call.tensor("self"), call.tensor("other", "mat2")


def _matmul(call: Call) -> Result:
    a, b = _operands(call)
    call.unify(a.labels[-1], b.labels[-2] if len(b.shape) > 1 else b.labels[0])
    if len(b.shape) == 1:
        return a.labels[:-1]
    if len(a.shape) == 1:
        return [*b.labels[:-2], b.labels[-1]]
    return [*broadcast_lead(call, (a, b)), a.labels[-2], b.labels[-1]]


def _vectors(call: Call) -> Result:
    """A matrix, or a vector, times a vector."""
    a, b = call.tensor("self"), call.tensor("vec", "tensor", "other")
    call.unify(a.labels[-1], b.labels[0])
    return a.labels[:-1]


def _vector_macs(call: Call) -> list[Product]:
    return [tuple(dimensions(call.tensor("self")))]


def _outer(call: Call) -> Result:
    return [*call.tensor("self").labels, *call.tensor("vec2").labels]


def _bilinear(call: Call) -> Result:
    """Two inputs and a weight of three dimensions: outputs × the first × the second."""
    one, two, weight = (call.tensor(name) for name in ("input1", "input2", "weight"))
    call.unify(one.labels[-1], weight.labels[1])
    call.unify(two.labels[-1], weight.labels[2])
    bias = call.tensor_or_none("bias")
    if bias is not None:
        call.unify(weight.labels[0], bias.labels[0])
    return [*broadcast_lead(call, (one, two), trailing=1), weight.labels[0]]


def _bilinear_macs(call: Call) -> list[Product]:
    """The first input meets the weight, and what comes of it the second."""
    output, weight = dimensions(call.value(call.node)), dimensions(call.tensor("weight"))
    return [(*output, *weight[1:])]


def _tensordot(call: Call) -> Result:
    a, b = call.tensor("self"), call.tensor("other")
    left = [number % len(a.shape) for number in call.integers("dims_self")]
    right = [number % len(b.shape) for number in call.integers("dims_other")]
    for one, other in zip(left, right, strict=True):
        call.unify(a.labels[one], b.labels[other])
    rest = [label for place, label in enumerate(a.labels) if place not in left]
    return [*rest, *(label for place, label in enumerate(b.labels) if place not in right)]


def _tensordot_macs(call: Call) -> list[Product]:
    a = call.tensor("self")
    summed = [dimensions(a)[number] for number in call.integers("dims_self")]
    return [(*dimensions(call.value(call.node)), *summed)]


def _matmul_macs(call: Call) -> list[Product]:
    a, _ = _operands(call)
    return [(*dimensions(call.value(call.node)), dimensions(a)[-1])]


def _addmm(call: Call) -> Result:
    bias, a, b = call.tensor("self"), call.tensor("mat1", "batch1"), call.tensor("mat2", "batch2")
    call.unify(a.labels[-1], b.labels[-2])
    labels = [*a.labels[:-1], b.labels[-1]]
    for label, (given, size) in zip(labels[::-1], dimensions(bias)[::-1], strict=False):
        if size != 1:
            call.unify(label, given)
    return labels


def _addmm_macs(call: Call) -> list[Product]:
    contracted = dimensions(call.tensor("mat1", "batch1"))[-1]
    return [(*dimensions(call.value(call.node)), contracted)]


def _equation(call: Call) -> tuple[list[Letters], Letters]:
    """The letters of every operand and of the output. What `...` stands for has letters of its own,
    counted from the right, since it broadcasts; an output that is not given has each letter that
    occurs once, in order."""
    text = str(call.arguments["equation"]).replace(" ", "").replace("...", ".")
    given, arrow, result = text.partition("->")
    operands = given.split(",")
    counts = [
        len(value.shape) - len(letters.replace(".", ""))
        for letters, value in zip(operands, call.tensors("tensors"), strict=True)
    ]
    if not arrow:
        once = sorted(letter for letter in {*given} - {*",."} if given.count(letter) == 1)
        result = "." * ("." in given) + "".join(once)
    spelt = [_spelt(letters, count) for letters, count in zip(operands, counts, strict=True)]
    return spelt, _spelt(result, max(counts))


def _spelt(letters: str, hidden: int) -> Letters:
    """The letters one by one, with `hidden` more where a dot stands for them."""
    before, dot, after = letters.partition(".")
    between = [f"...{back}" for back in range(hidden, 0, -1)] if dot else []
    return (*before, *between, *after)


def _einsum(call: Call) -> Result:
    operands, output = _equation(call)
    found: dict[str, Label] = {}
    for letters, value in zip(operands, call.tensors("tensors"), strict=True):
        for letter, (label, size) in zip(letters, dimensions(value), strict=True):
            if size == 1:
                continue
            found[letter] = call.unify(found[letter], label) if letter in found else label
    return [found.get(letter) for letter in output]


def _einsum_macs(call: Call) -> list[Product]:
    operands, _ = _equation(call)
    widest: dict[str, tuple[Label, int]] = {}
    for letters, value in zip(operands, call.tensors("tensors"), strict=True):
        for letter, pair in zip(letters, dimensions(value), strict=True):
            if letter not in widest or pair[1] > 1:
                widest[letter] = pair
    return [tuple(widest.values())]


_MATMUL = Operator(_matmul, macs=_matmul_macs)
_ADDMM = Operator(_addmm, macs=_addmm_macs)
_VECTORS = Operator(_vectors, macs=_vector_macs)

RULES = {
    "linear": Operator(_linear, macs=_linear_macs),
    **dict.fromkeys(("matmul", "linalg_matmul", "bmm", "mm"), _MATMUL),
    "addmm": _ADDMM,
    "baddbmm": _ADDMM,
    **dict.fromkeys(("mv", "dot", "vdot"), _VECTORS),
    **dict.fromkeys(("outer", "ger"), Operator(_outer)),
    "bilinear": Operator(_bilinear, macs=_bilinear_macs),
    "tensordot": Operator(_tensordot, macs=_tensordot_macs),
    "einsum": Operator(_einsum, macs=_einsum_macs),
}
