"""Normalisations. Over a pruned dimension the statistics are those of the kept indices."""

from pipeline.graph.operators.entry import Call, Operator, Result, Rewrite, dimensions
from pipeline.graph.reshape import factor

_PER_CHANNEL = ("weight", "bias", "running_mean", "running_var")


def _batch_norm(call: Call) -> Result:
    value = call.tensor("input")
    for name in _PER_CHANNEL:
        parameter = call.tensor_or_none(name)
        if parameter is not None:
            call.unify(value.labels[1], parameter.labels[0])
    return value.labels


def _layer_norm(call: Call) -> Result:
    value = call.tensor("input")
    last = len(call.listed("normalized_shape"))
    for name in ("weight", "bias"):
        parameter = call.tensor_or_none(name)
        if parameter is not None:
            for label, own in zip(value.labels[-last:], parameter.labels, strict=True):
                call.unify(label, own)
    return value.labels


def _rewrite_normalized_shape(rewrite: Rewrite) -> None:
    last = len(rewrite.listed("normalized_shape"))
    value = dimensions(rewrite.tensor("input"))[-last:]
    rewrite.set("normalized_shape", [rewrite.kept(label, size) for label, size in value])


def _group_norm(call: Call) -> Result:
    """Channels are groups × width; every group keeps as many (fresh groups would multiply)."""
    value, groups = call.tensor("input"), call.integer("num_groups")
    width = value.shape[1] // groups
    factor(call.terms, value.labels[1], [groups, width], [width == 1, True])
    for name in ("weight", "bias"):
        parameter = call.tensor_or_none(name)
        if parameter is not None:
            call.unify(value.labels[1], parameter.labels[0])
    return value.labels


def _rewrite_num_groups(rewrite: Rewrite) -> None:
    if not isinstance(rewrite.arguments["num_groups"], int):
        return
    value, groups = rewrite.tensor("input"), rewrite.integer("num_groups")
    rewrite.set("num_groups", rewrite.kept_blocks(value.labels[1], value.shape[1], groups))


def _weight_norm(call: Call) -> Result:
    direction, length = call.tensor("v"), call.tensor("g")
    for label, (own, size) in zip(direction.labels, dimensions(length), strict=True):
        if size != 1:
            call.unify(label, own)
    return direction.labels


BATCH_NORM = Operator(_batch_norm)
LAYER_NORM = Operator(_layer_norm, _rewrite_normalized_shape)

RULES = {
    "batch_norm": BATCH_NORM,
    "instance_norm": BATCH_NORM,
    "layer_norm": LAYER_NORM,
    "rms_norm": LAYER_NORM,
    "group_norm": Operator(_group_norm, _rewrite_num_groups),
    "_weight_norm": Operator(_weight_norm),
}
