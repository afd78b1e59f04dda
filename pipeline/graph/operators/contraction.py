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


def _equation(call: Call) -> tuple[list[str], str]:
    text = str(call.arguments["equation"]).replace(" ", "")
    if "." in text or "->" not in text:
        raise NotImplementedError(f"einsum '{text}'")
    operands, output = text.split("->")
    return operands.split(","), output


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

RULES = {
    "linear": Operator(_linear, macs=_linear_macs),
    "matmul": _MATMUL,
    "bmm": _MATMUL,
    "mm": _MATMUL,
    "addmm": _ADDMM,
    "baddbmm": _ADDMM,
    "einsum": Operator(_einsum, macs=_einsum_macs),
}
