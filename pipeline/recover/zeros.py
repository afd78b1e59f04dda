"""Zeros that stay zeros while the other weights are trained."""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import torch
from torch import nn

from targets.errors import TaskError

Masks = Mapping[str, npt.NDArray[np.bool_]]


class Zeros:
    """The elements of a module's parameters that are held at zero.

    Gradients are held so that neither their norm nor an optimiser's memory counts what does not
    move, and weights after each step, so that no optimiser needs to be trusted with it.
    """

    def __init__(self, module: nn.Module, masks: Masks) -> None:
        """`masks` tells per parameter which elements live.

        Raises TaskError for a parameter that the module lacks or that has another shape.
        """
        known = dict(module.named_parameters(remove_duplicate=False))
        self._held: list[tuple[nn.Parameter, torch.Tensor]] = []
        for name, mask in masks.items():
            if name not in known or tuple(known[name].shape) != mask.shape:
                raise TaskError(f"recover: the mask of {name} {mask.shape} is another model's")
            self._held.append((known[name], ~torch.from_numpy(mask)))
        self.hold_weights()

    @torch.no_grad()
    def hold_gradients(self) -> None:
        """Zero the gradients of what is held."""
        for parameter, dead in self._held:
            if parameter.grad is not None:
                parameter.grad.masked_fill_(dead, 0)

    @torch.no_grad()
    def hold_weights(self) -> None:
        """Zero what is held."""
        for parameter, dead in self._held:
            parameter.masked_fill_(dead, 0)
