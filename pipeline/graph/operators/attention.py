"""Scaled dot-product attention: heads, positions and the dimension of each head."""

import math

from pipeline.graph.operators.contraction import broadcast_lead
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
from pipeline.graph.reshape import factor


def _attention(call: Call) -> Result:
    """Queries and keys share their last dimension, that of values is free. Every key is looked at,
    so positions of keys and values stay."""
    query, key, value = (call.tensor(name) for name in ("query", "key", "value"))
    call.unify(query.labels[-1], key.labels[-1])
    for positions in (key.labels[-2], value.labels[-2]):
        call.pin(positions, "looks at every position")
    lead = _heads(call, query, key, value)
    _mask(call, [*lead, query.labels[-2]])
    return [*lead, query.labels[-2], value.labels[-1]]


def _heads(call: Call, query: Value, key: Value, value: Value) -> Labels:
    """Labels of batch and heads. With grouped queries (GQA), heads are keys' heads × repeats."""
    if not call.arguments.get("enable_gqa") or query.shape[-3] == key.shape[-3]:
        return broadcast_lead(call, (query, key, value))
    repeats = query.shape[-3] // key.shape[-3]
    shared, _ = factor(call.terms, query.labels[-3], [key.shape[-3], repeats], [True, False])
    call.unify(shared, key.labels[-3])
    call.unify(key.labels[-3], value.labels[-3])
    return query.labels[:-2]


def _mask(call: Call, labels: Labels) -> None:
    mask = call.tensor_or_none("attn_mask")
    if mask is None:
        return
    call.pin(mask.labels[-1], "looks at every position")
    for own, (label, size) in zip(labels[::-1], dimensions(mask)[-2::-1], strict=False):
        if size != 1:
            call.unify(own, label)


def _rewrite_scale(rewrite: Rewrite) -> None:
    """The default scale is 1/sqrt of the head's dimension: pin the original one."""
    query = rewrite.tensor("query")
    if rewrite.arguments["scale"] is None:
        rewrite.set("scale", 1 / math.sqrt(query.shape[-1]))


def _attention_macs(call: Call) -> list[Product]:
    output, keys = dimensions(call.value(call.node)), dimensions(call.tensor("key"))[-2]
    query = dimensions(call.tensor("query"))[-1]
    return [(*output[:-1], keys, query), (*output, keys)]


RULES = {
    "scaled_dot_product_attention": Operator(_attention, _rewrite_scale, _attention_macs),
}
