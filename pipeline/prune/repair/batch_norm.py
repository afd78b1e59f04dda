"""Batch norms' statistics, measured anew on what the pruned net computes."""

from collections.abc import Sequence

import torch
from torch import fx

from pipeline.graph.attributes import attribute
from pipeline.graph.operators.entry import bind, operator_name
from pipeline.prune.consumers.walk import Inputs, Walk


def re_estimate(module: fx.GraphModule, batches: Sequence[Inputs]) -> tuple[str, ...]:
    """Give every batch norm the mean and the variance of its input over all batches, in the
    graph's order, so that each sees the inputs that the ones before it give (Li et al. 2020,
    "EagleEye", section 3.3, without its moving average). Tells the nodes' names."""
    nodes = [node for node in module.graph.nodes if _is_batch_norm(node)]
    sources = {node.name: _node(bind(node)["input"]) for node in nodes}
    walk = Walk(module, batches, {})
    for node in nodes:
        walk.through(sources[node.name].name)
        values = [walk.value(sources[node.name].name, batch) for batch in range(len(walk))]
        mean, variance = _moments(values)
        for name, moment in (("running_mean", mean), ("running_var", variance)):
            stored = attribute(module, str(_node(bind(node)[name]).target))
            assert isinstance(stored, torch.Tensor)
            stored.copy_(moment)
    return tuple(node.name for node in nodes)


def _is_batch_norm(node: fx.Node) -> bool:
    if not isinstance(node.target, torch._ops.OpOverload) or operator_name(node) != "batch_norm":
        return False
    return isinstance(bind(node)["running_mean"], fx.Node)


def _node(item: object) -> fx.Node:
    assert isinstance(item, fx.Node)
    return item


def _moments(values: Sequence[torch.Tensor]) -> tuple[torch.Tensor, torch.Tensor]:
    """Mean and unbiased variance per channel (dimension 1), in float64."""
    count, total = 0, torch.zeros((), dtype=torch.float64)
    for value in values:
        count += value.numel() // value.shape[1]
        total = total + _over_channels(value.double()).sum(dim=1)
    mean = total / count
    squares = torch.zeros((), dtype=torch.float64)
    for value in values:
        squares = squares + ((_over_channels(value.double()) - mean[:, None]) ** 2).sum(dim=1)
    return mean, squares / max(1, count - 1)


def _over_channels(value: torch.Tensor) -> torch.Tensor:
    return value.transpose(0, 1).reshape(value.shape[1], -1)
