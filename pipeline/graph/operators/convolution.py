"""Convolutions: channels in and out, in groups; the spatial dimensions stay."""

from pipeline.graph.operators.entry import (
    Call,
    Labels,
    Operator,
    Product,
    Result,
    Rewrite,
    Value,
    dimensions,
)
from pipeline.graph.reshape import factor, merge
from pipeline.graph.terms import Label

SLIDES = "slides over it"


def _channel(value: Value, weight: Value) -> int:
    """The channel dimension: 1, or 0 for a tensor without a batch."""
    return len(value.shape) - len(weight.shape) + 1


def _space(call: Call, value: Value, weight: Value) -> Labels:
    """The labels that are left of the spatial dimensions: a kernel of one moves nothing there."""
    labels = list(value.labels[_channel(value, weight) + 1 :])
    for place, still in enumerate(_still(call, weight)):
        if not still:
            call.pin(labels[place], SLIDES)
            labels[place] = None
    for label in weight.labels[2:]:
        call.pin(label, "")
    return labels


def _still(call: Call, weight: Value) -> list[bool]:
    """Per spatial dimension, whether every place is read and written by itself."""
    sizes, space = weight.shape[2:], len(weight.shape) - 2
    given = [_each(call, name, space) for name in ("stride", "padding", "output_padding")]
    return [
        size == 1 and (stride, padding, more) == (1, 0, 0)
        for size, stride, padding, more in zip(sizes, *given, strict=True)
    ]


def _each(call: Call, name: str, space: int) -> list[int]:
    """An argument for every spatial dimension; "same" pads a kernel of one by nothing."""
    if isinstance(call.arguments.get(name, "none"), str):
        return [0] * space
    found = call.integers(name)
    return found * space if len(found) == 1 else found


def _outcome(call: Call, value: Value, weight: Value, channels: Label, space: Labels) -> Labels:
    bias = call.tensor_or_none("bias")
    if bias is not None:
        call.unify(channels, bias.labels[0])
    return [*value.labels[: _channel(value, weight)], channels, *space]


def _convolution(call: Call) -> Result:
    value, weight, groups = call.tensor("input"), call.tensor("weight"), call.integer("groups")
    space = _space(call, value, weight)
    channel = _channel(value, weight)
    incoming = value.labels[channel]
    if groups == 1:
        call.unify(incoming, weight.labels[1])
    else:
        _tie_groups(call, incoming, value.shape[channel], weight, groups)
    return _outcome(call, value, weight, weight.labels[0], space)


def _tie_groups(call: Call, incoming: Label, size: int, weight: Value, groups: int) -> None:
    """Both sides are groups × width: what goes are whole groups, on both sides at once, and in
    every group the same indices of its width."""
    free = _divides(call)
    group_in, width_in = factor(call.terms, incoming, [groups, size // groups], [free, True])
    also = free and group_in is not None
    out = weight.shape[0]
    group_out, _ = factor(call.terms, weight.labels[0], [groups, out // groups], [also, True])
    _note(call, size // groups, [group_in, group_out])
    call.unify(group_in, group_out)
    call.unify(width_in, weight.labels[1])


def _divides(call: Call) -> bool:
    """Whether whole groups may go: not where their number is computed, nor where that was tried
    and tangled them with other dimensions."""
    return not _computed(call) and call.node.name not in call.known.undivided


def _note(call: Call, width: int, groups: list[Label]) -> None:
    """Remember an axis of groups, which can be done without; a depthwise one is its channels'."""
    if width > 1 and _divides(call):
        call.known.divided[call.node.name] = groups


def _computed(call: Call) -> bool:
    return not isinstance(call.arguments["groups"], int)


def _rewrite_groups(rewrite: Rewrite) -> None:
    groups = rewrite.integer("groups")
    if groups == 1 or _computed(rewrite):
        return
    value, weight = rewrite.tensor("input"), rewrite.tensor("weight")
    channel = _channel(value, weight)
    kept = rewrite.kept_blocks(value.labels[channel], value.shape[channel], groups)
    rewrite.set("groups", kept)


def _convolution_macs(call: Call) -> list[Product]:
    output, weight = call.value(call.node), call.tensor("weight")
    return [(*dimensions(output), *dimensions(weight)[1:])]


def _transposed(call: Call) -> Result:
    value, weight, groups = call.tensor("input"), call.tensor("weight"), call.integer("groups")
    space = _space(call, value, weight)
    channel = _channel(value, weight)
    incoming = value.labels[channel]
    call.unify(incoming, weight.labels[0])
    channels = weight.labels[1]
    if groups > 1:
        width = value.shape[channel] // groups
        group, _ = factor(call.terms, incoming, [groups, width], [_divides(call), True])
        _note(call, width, [group])
        channels = merge(call.terms, [group, channels], [groups, weight.shape[1]])
    return _outcome(call, value, weight, channels, space)


def _transposed_macs(call: Call) -> list[Product]:
    value, weight = call.tensor("input"), call.tensor("weight")
    return [(*dimensions(value), *dimensions(weight)[1:])]


CONVOLUTION = Operator(_convolution, _rewrite_groups, _convolution_macs)
TRANSPOSED = Operator(_transposed, _rewrite_groups, _transposed_macs)

RULES = {
    "conv1d": CONVOLUTION,
    "conv2d": CONVOLUTION,
    "conv3d": CONVOLUTION,
    "conv_transpose1d": TRANSPOSED,
    "conv_transpose2d": TRANSPOSED,
    "conv_transpose3d": TRANSPOSED,
}
