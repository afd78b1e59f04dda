"""What a task's model and data must be; each check raises TaskError and says what was found."""

import hashlib
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn
from torch.nn.parameter import is_lazy
from torch.utils._pytree import tree_leaves

from pipeline.task_faults import displayed
from targets.errors import TaskError

Inputs = tuple[Tensor, ...]


def module(found: object, file: Path) -> nn.Module:
    """What build() returned: a module on the CPU in eval mode, with finite weights."""
    if not isinstance(found, nn.Module):
        raise _refused(file, "build()", found, "a torch.nn.Module")
    checked = found.to("cpu").eval()
    for name, tensor in _state(checked):
        if not _is_finite(tensor):
            bad = int((~torch.isfinite(tensor)).sum())
            raise TaskError(
                f"{displayed(file)}: build(): the weights hold NaN or infinity: {name} "
                f"({bad} of {tensor.numel()} values); load or train them again"
            )
    return checked


def _state(checked: nn.Module) -> Iterator[tuple[str, Tensor]]:
    """Parameters and buffers by name, those that state_dict leaves out included."""
    for name, tensor in (*checked.named_parameters(), *checked.named_buffers()):
        if not is_lazy(tensor):
            yield name, tensor.detach()


def weights_digest(checked: nn.Module) -> str:
    """The sha256 over the name, type, shape and bytes of every parameter and buffer."""
    total = hashlib.sha256()
    for name, tensor in sorted(_state(checked)):
        total.update(f"{name} {tensor.dtype} {tuple(tensor.shape)}\n".encode())
        total.update(tensor.contiguous().reshape(-1).view(torch.uint8).numpy().tobytes())
    return total.hexdigest()


def example(found: object, file: Path) -> Inputs:
    """What example_inputs() returned: a tuple of finite tensors, each a batch of 1."""
    allowed = "a tuple of tensors, each a batch of 1, such as (torch.zeros(1, 3, 32, 32),)"
    if isinstance(found, Tensor):
        told = f"{displayed(file)}: example_inputs(): found a tensor by itself"
        raise TaskError(f"{told}; allowed: {allowed}; for one input: return (x,)")
    if not isinstance(found, tuple) or not found:
        raise _refused(file, "example_inputs()", found, allowed)
    for index, tensor in enumerate(found):
        if not isinstance(tensor, Tensor):
            raise _refused(file, f"example_inputs(): input {index}", tensor, "a tensor")
        if tensor.dim() == 0 or tensor.shape[0] != 1:
            told = f"found shape {list(tensor.shape)}; allowed: a batch of 1, [1, ...]"
            raise TaskError(f"{displayed(file)}: example_inputs(): input {index}: {told}")
        if not _is_finite(tensor):
            told = f"input {index} holds NaN or infinity"
            raise TaskError(f"{displayed(file)}: example_inputs(): {told}")
    return tuple(tensor.detach().to("cpu") for tensor in found)


def outputs(found: object, file: Path) -> None:
    """What the model gave for the example: tensors without NaN."""
    tensors = [leaf for leaf in tree_leaves(found) if isinstance(leaf, Tensor)]
    if not tensors:
        raise _refused(file, "the model's output", found, "at least one tensor")
    for index, tensor in enumerate(tensors):
        if tensor.is_floating_point() and bool(torch.isnan(tensor).any()):
            raise TaskError(
                f"{displayed(file)}: the model gives NaN for example_inputs() (output {index}); "
                "its weights are finite, so look at its forward for a division or logarithm of zero"
            )


def batch(found: object, like: Inputs, place: str) -> tuple[Inputs, object]:
    """One item of batches(): its inputs as a tuple like the example's, and its target.

    Args:
        found: the item.
        like: the example inputs, of which rank, shape without the batch, and dtype are compared.
        place: the head of a message: file, split and number of the batch.
    """
    if not isinstance(found, tuple | list) or len(found) != 2:
        kind = type(found).__name__
        told = f"{kind} of {len(found)}" if isinstance(found, tuple | list) else kind
        raise TaskError(f"{place}: found {told}; allowed: a pair (inputs, target)")
    first, target = found
    inputs = tuple(first) if isinstance(first, tuple | list) else (first,)
    if len(inputs) != len(like):
        told = f"found {len(inputs)} inputs; allowed: {len(like)}, as example_inputs() has"
        raise TaskError(f"{place}: {told}")
    for index, (tensor, wanted) in enumerate(zip(inputs, like, strict=True)):
        _like(tensor, wanted, f"{place}: input {index}")
    sizes = sorted({len(tensor) for tensor in inputs})
    if len(sizes) > 1 or sizes[0] == 0:
        told = f"found inputs of {' and '.join(map(str, sizes))} samples"
        raise TaskError(f"{place}: {told}; allowed: the same number in each, at least 1")
    return inputs, target


def _like(tensor: object, wanted: Tensor, place: str) -> None:
    if not isinstance(tensor, Tensor):
        raise TaskError(f"{place}: found {type(tensor).__name__}; allowed: a tensor")
    if tensor.dim() != wanted.dim() or tensor.shape[1:] != wanted.shape[1:]:
        shape = ", ".join(["N", *map(str, wanted.shape[1:])])
        found = list(tensor.shape)
        raise TaskError(f"{place}: found shape {found}; allowed: [{shape}], as example_inputs()")
    if tensor.dtype != wanted.dtype:
        raise TaskError(
            f"{place}: found {tensor.dtype}; allowed: {wanted.dtype}, as example_inputs()"
        )
    if not _is_finite(tensor):
        rows = (~torch.isfinite(tensor)).reshape(len(tensor), -1).any(dim=1)
        raise TaskError(f"{place}: sample {int(rows.nonzero()[0])} holds NaN or infinity")


def _is_finite(tensor: Tensor) -> bool:
    return not tensor.is_floating_point() or bool(torch.isfinite(tensor).all())


def _refused(file: Path, what: str, found: object, allowed: str) -> TaskError:
    kind = "nothing (None)" if found is None else type(found).__name__
    return TaskError(f"{displayed(file)}: {what}: found {kind}; allowed: {allowed}")
