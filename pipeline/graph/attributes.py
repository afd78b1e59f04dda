"""Tensors stored in a module, by dotted name."""

import torch


def attribute(module: torch.nn.Module, name: str) -> object:
    """What a dotted name stands for in a module."""
    found: object = module
    for part in name.split("."):
        found = getattr(found, part)
    return found


def replace_attribute(module: torch.nn.Module, name: str, tensor: torch.Tensor) -> None:
    """Put a tensor in the place of the parameter or buffer of this name."""
    path, _, last = name.rpartition(".")
    owner = attribute(module, path) if path else module
    setattr(owner, last, tensor)


def storage_key(tensor: torch.Tensor) -> tuple[object, ...]:
    """Equal for tensors that are one and the same memory, read in the same way."""
    if tensor.numel() == 0:
        return (id(tensor),)
    return (tensor.data_ptr(), tuple(tensor.shape), tensor.stride())
