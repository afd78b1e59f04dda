"""The optimiser, and its memory as tensors that can be kept."""

from collections.abc import Iterator, Mapping, Sequence

import torch
from torch import Tensor, nn

from targets.errors import TaskError

WEIGHT_DECAY = 0.01


def make(parameters: Sequence[nn.Parameter]) -> torch.optim.Optimizer:
    """AdamW; weights decay, biases and norms don't. TaskError where there is nothing to train."""
    if not parameters:
        raise TaskError("recover: no parameter of the model requires a gradient: nothing to train")
    weights = [one for one in parameters if one.dim() > 1]
    others = [one for one in parameters if one.dim() <= 1]
    groups = [
        {"params": weights, "weight_decay": WEIGHT_DECAY},
        {"params": others, "weight_decay": 0.0},
    ]
    return torch.optim.AdamW([group for group in groups if group["params"]])


def memory(optimizer: torch.optim.Optimizer) -> dict[str, Tensor]:
    """Moments and counts, as `NUMBER.NAME`, the number that of the parameter in its groups."""
    return {
        f"{number}.{name}": tensor
        for number, parameter in _numbered(optimizer)
        for name, tensor in optimizer.state.get(parameter, {}).items()
    }


def remember(optimizer: torch.optim.Optimizer, kept: Mapping[str, Tensor]) -> None:
    """Gives an optimiser the memory of another over the same parameters.

    Moments lie in memory as their parameters do, for another layout rounds in another order.
    Raises KeyError or RuntimeError where they are another model's.
    """
    parameters = dict(_numbered(optimizer))
    for key, tensor in kept.items():
        number, _, name = key.partition(".")
        parameter = parameters[int(number)]
        like = parameter if tensor.dim() else tensor
        optimizer.state[parameter][name] = torch.empty_like(like, dtype=tensor.dtype).copy_(tensor)


def _numbered(optimizer: torch.optim.Optimizer) -> Iterator[tuple[int, nn.Parameter]]:
    yield from enumerate(one for group in optimizer.param_groups for one in group["params"])
