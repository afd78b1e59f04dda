"""Operators that a converter can't take, written out in ones that it can, before it sees the graph.

A lowering is a Python function with the operator's signature. It takes the operator's place in a
copy of the graph, and the exporter's own trace turns it into plain operators. Desk side only.
"""

import copy
import math
from collections.abc import Callable, Mapping
from typing import Any

import torch
from torch import Tensor, fx
from torch.nn import functional

Lowering = Callable[..., Any]  # takes and gives whatever the operator does
Lowerings = Mapping[torch._ops.OpOverload, Lowering]
ATEN = torch.ops.aten


def lower(module: torch.nn.Module, lowerings: Lowerings) -> torch.nn.Module:
    """The graph with these operators replaced; itself where it has none of them.

    Parameters are shared with the module, whose own graph stays as it is.
    """
    if not isinstance(module, fx.GraphModule) or not _concerns(module, lowerings):
        return module
    lowered = fx.GraphModule(module, copy.deepcopy(module.graph))
    for node in lowered.graph.nodes:
        if node.target is ATEN.embedding_bag.padding_idx:
            _lower_bag(node)
        elif node.target in lowerings:
            node.target = lowerings[node.target]
    lowered.recompile()
    return lowered


def _concerns(module: fx.GraphModule, lowerings: Lowerings) -> bool:
    lowered = {*lowerings, ATEN.embedding_bag.padding_idx}
    return any(node.target in lowered for node in module.graph.nodes)


# ------------------------------------------------------------------ attention
def attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(scale · Q Kᵀ + mask) V, (…, H, L, E) and (…, H, S, E) to (…, H, L, V), for a graph in
    evaluation mode (Vaswani et al. 2017, §3.2.1). Grouped keys serve several heads (GQA)."""
    key, value = _repeated(query, key, value, enable_gqa)
    scores = query @ key.transpose(-2, -1) * (scale or 1 / math.sqrt(query.shape[-1]))
    if is_causal:
        seen = torch.ones(query.shape[-2], key.shape[-2], dtype=torch.bool).tril()
        scores = scores.masked_fill(~seen, -torch.inf)
    if attn_mask is not None and attn_mask.dtype == torch.bool:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    elif attn_mask is not None:
        scores = scores + attn_mask
    return scores.softmax(-1) @ value


def ungrouped_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    *,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """The operator itself, with grouped keys and values repeated for each head of their group."""
    key, value = _repeated(query, key, value, enable_gqa)
    return functional.scaled_dot_product_attention(
        query, key, value, attn_mask, dropout_p, is_causal, scale=scale
    )


def _repeated(query: Tensor, key: Tensor, value: Tensor, grouped: bool) -> tuple[Tensor, Tensor]:
    if not grouped:
        return key, value
    times = query.shape[-3] // key.shape[-3]
    return _repeat_heads(key, times), _repeat_heads(value, times)


def _repeat_heads(each: Tensor, times: int) -> Tensor:
    """(…, H, S, E) to (…, H·times, S, E). One head is concatenated: LiteRT's converter gets the
    expansion of a single one wrong, without a word."""
    if each.shape[-3] == 1:
        return torch.cat([each] * times, -3)
    *lead, heads, length, width = each.shape
    spread = each.unsqueeze(-3).expand(*lead, heads, times, length, width)
    return spread.reshape(*lead, heads * times, length, width)


ALL_ATTENTION: Lowerings = {ATEN.scaled_dot_product_attention.default: attention}
GROUPED_ATTENTION: Lowerings = {ATEN.scaled_dot_product_attention.default: ungrouped_attention}


# ------------------------------------------------------------------ bags of embeddings
def bag(weight: Tensor, indices: Tensor, size: int, mode: int) -> tuple[Tensor]:
    """Bags of one size: indices (N·size,) of rows (V, C) to the sum, mean or maximum (N, C)."""
    found = functional.embedding(indices.reshape(-1, size), weight)
    return ((found.sum, found.mean, found.amax)[mode](1),)


def _lower_bag(node: fx.Node) -> None:
    """Bags as a matrix of indices gives them. Those whose sizes are data, weights per sample and
    padding stay as they are, for the converter to refuse by name."""
    weight, indices, offsets, _, mode, _, weights, with_last, padding = node.args
    size = _stride(offsets)
    outputs = {user.args[1] for user in node.users if user.users}
    if size and weights is None and not with_last and padding is None and outputs <= {0}:
        for user in list(node.users):
            if not user.users:
                node.graph.erase_node(user)
        node.target, node.args, node.kwargs = bag, (weight, indices, size, mode), {}


def _stride(offsets: object) -> int | None:
    """The size of bags that begin at 0, size, 2·size, …"""
    if not isinstance(offsets, fx.Node) or offsets.target is not ATEN.arange.start_step:
        return None
    start, _, step = offsets.args
    return step if start == 0 and isinstance(step, int) else None
