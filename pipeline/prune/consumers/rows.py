"""A consumer as what it is to linear algebra: rows of inputs times a matrix, group by group."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from torch import fx
from torch.nn import functional

from pipeline.graph.operators.entry import bind, operator_name


@dataclass(frozen=True)
class Rows:
    """How a consumer reads its input: a row per output position, in `groups` separate products.

    Attributes:
        kernel: the spatial sizes of its weight, () for a linear layer.
        groups: of channels that do not meet.
    """

    kernel: tuple[int, ...]
    stride: tuple[int, ...]
    padding: tuple[tuple[int, int], ...]
    dilation: tuple[int, ...]
    groups: int

    @property
    def channels_last(self) -> bool:
        """Whether outputs have their channels last, not in the dimension before space."""
        return not self.kernel

    def inputs(self, tensor: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
        """(groups, rows, features) of an input; only these output positions if any are named."""
        if not self.kernel:
            flat = tensor.reshape(-1, tensor.shape[-1])
            return (flat if places is None else flat[places])[None]
        windows = self._windows(tensor)
        lead = windows.shape[: -1 - len(self.kernel)]
        if places is None:
            picked = windows.reshape(math.prod(lead), *windows.shape[len(lead) :])
        else:
            picked = windows[torch.unravel_index(places, lead)]
        return picked.reshape(len(picked), self.groups, -1).transpose(0, 1)

    def outputs(self, tensor: torch.Tensor, places: torch.Tensor | None) -> torch.Tensor:
        """(groups, rows, channels) of an output, or of a value of its shape."""
        if not self.channels_last:
            tensor = tensor.movedim(-1 - len(self.kernel), -1)
        flat = tensor.reshape(-1, tensor.shape[-1])
        picked = flat if places is None else flat[places]
        return picked.reshape(len(picked), self.groups, -1).transpose(0, 1)

    def positions(self, output: torch.Tensor) -> int:
        """How many rows an output has."""
        channel = -1 if self.channels_last else -1 - len(self.kernel)
        return output.numel() // output.shape[channel]

    def _windows(self, tensor: torch.Tensor) -> torch.Tensor:
        """A view (batch..., positions..., channels, kernel...) of the padded input."""
        if tensor.dim() == len(self.kernel) + 1:
            tensor = tensor[None]
        pads = [side for pair in reversed(self.padding) for side in pair]
        tensor = functional.pad(tensor, pads) if any(pads) else tensor
        for dimension, (size, step, gap) in enumerate(
            zip(self.kernel, self.stride, self.dilation, strict=True), 2
        ):
            tensor = tensor.unfold(dimension, gap * (size - 1) + 1, step)[..., ::gap]
        return tensor.movedim(1, 1 + len(self.kernel))


def rows(node: fx.Node, weight: torch.Tensor) -> Rows:
    """How a linear layer or a convolution with this weight reads its input."""
    if operator_name(node) == "linear":
        return Rows((), (), (), (), 1)
    arguments = bind(node)
    kernel = tuple(weight.shape[2:])
    dilation = _each(arguments["dilation"], len(kernel))
    groups = arguments["groups"]
    assert isinstance(groups, int)
    padding = _padding(arguments["padding"], kernel, dilation)
    return Rows(kernel, _each(arguments["stride"], len(kernel)), padding, dilation, groups)


def _each(item: object, count: int) -> tuple[int, ...]:
    values = [value for value in _listed(item) if isinstance(value, int)]
    return tuple(values * count if len(values) == 1 else values)


def _listed(item: object) -> list[object]:
    return list(item) if isinstance(item, (list, tuple)) else [item]


def _padding(
    item: object, kernel: Sequence[int], dilation: Sequence[int]
) -> tuple[tuple[int, int], ...]:
    """Zeroes before and after, per spatial dimension."""
    if item == "valid":
        return tuple((0, 0) for _ in kernel)
    if item == "same":
        totals = [gap * (size - 1) for gap, size in zip(dilation, kernel, strict=True)]
        return tuple((total // 2, total - total // 2) for total in totals)
    return tuple((side, side) for side in _each(item, len(kernel)))
