"""Operators that work index by index: tensors share their dimensions, broadcast from the right."""

import torch

from pipeline.graph.operators.entry import Call, Labels, Operator, Result


def broadcast(call: Call) -> Result:
    """One label per dimension of the output; a size of one takes no part.

    Raises ValueError for an operand that is no trailing broadcast.
    """
    labels: Labels = [None] * len(call.shape)
    seen = [False] * len(call.shape)
    for value in call.every_tensor():
        offset = len(call.shape) - len(value.shape)
        for position, (label, size) in enumerate(zip(value.labels, value.shape, strict=True)):
            if size == 1:
                continue
            place = position + offset
            if place < 0 or size != call.shape[place]:
                raise ValueError(f"{value.shape} is no trailing broadcast to {call.shape}")
            labels[place] = call.unify(labels[place], label) if seen[place] else label
            seen[place] = True
    return labels


def _prelu(call: Call) -> Result:
    value, slope = call.tensor("self"), call.tensor("weight")
    if slope.shape and slope.shape[0] > 1:
        call.unify(value.labels[1], slope.labels[0])
    return value.labels


def is_pointwise(target: torch._ops.OpOverload) -> bool:
    """Whether the operator, or the one whose in-place form it is, has PyTorch's tag for it."""
    if torch.Tag.pointwise in target.tags:
        return True
    packet = getattr(torch.ops.aten, target._schema.name.split("::")[1].rstrip("_"), None)
    plain = getattr(packet, target._overloadname, None)
    return plain is not None and torch.Tag.pointwise in plain.tags


POINTWISE = Operator(broadcast)

# Pointwise in fact, without PyTorch's tag.
_UNTAGGED = (
    "hardswish hardswish_ hardtanh hardtanh_ leaky_relu_ __and__ __or__ dropout dropout_ "
    "feature_dropout feature_dropout_ alpha_dropout native_dropout contiguous clone to _to_copy "
    "type_as alias detach detach_ lift_fresh_copy copy_ masked_fill masked_fill_ fill_ "
    "zero_ zeros_like ones_like full_like empty_like rand_like where addcmul bitwise_not clamp "
    "clamp_min clamp_max pow rsub log_sigmoid floor_divide true_divide multiply subtract negative "
    "ldexp greater greater_equal less less_equal not_equal fill isclose randn_like bernoulli "
    "feature_alpha_dropout real imag conj resolve_conj resolve_neg polar"
)

RULES = dict.fromkeys(_UNTAGGED.split(), POINTWISE) | {"prelu": Operator(_prelu)}
