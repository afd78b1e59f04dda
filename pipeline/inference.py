"""Runs a traced module on batches of any size, also one that was traced with a fixed batch."""

from collections.abc import Callable

import torch
from torch import Tensor, fx
from torch.utils import _pytree as pytree


def infer(
    module: torch.nn.Module,
    inputs: tuple[Tensor, ...],
    run: Callable[..., object] | None = None,
) -> object:
    """The module's outputs, a pytree of tensors, for inputs with the batch in dimension 0.

    A module that was traced with a static batch gets the inputs in pieces of that size, the last
    one filled up, and its outputs are joined along dimension 0. `run` runs the module in its
    place, as an interpreter of its graph does.
    """
    run = run or module
    size = fixed_batch(module)
    count = inputs[0].shape[0]
    if size is None or size == count:
        return run(*inputs)
    padded = [_filled(tensor, -count % size) for tensor in inputs]
    parts = [run(*piece) for piece in zip(*(torch.split(t, size) for t in padded), strict=True)]
    return pytree.tree_map(lambda *leaves: torch.cat(leaves)[:count], *parts)


def fixed_batch(module: torch.nn.Module) -> int | None:
    """The batch size that the module was traced with; None where it takes any."""
    if not isinstance(module, fx.GraphModule):
        return None
    first = next((node for node in module.graph.nodes if node.op == "placeholder"), None)
    traced = first.meta.get("val") if first is not None else None
    if not isinstance(traced, Tensor) or not traced.dim():
        return None
    size = traced.shape[0]
    return size if isinstance(size, int) else None


def _filled(tensor: Tensor, missing: int) -> Tensor:
    """The tensor with its last sample repeated."""
    return torch.cat([tensor, tensor[-1:].expand(missing, *tensor.shape[1:])])
