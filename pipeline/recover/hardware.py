"""How training uses the machine: memory layout and precision, decided from model and CPU alone.

Nothing is timed, since a choice by the clock would make the trained weights a matter of chance.
Measured on a CPU with AVX512-BF16, forward and backward, one thread, against float32 in the usual
layout: channels-last 1.06-1.28x on every convolutional net tried; bfloat16 on top of it 1.15-1.93x.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import Tensor, fx

from pipeline.recipe_recover import Precision

ATEN = torch.ops.aten
CONVOLUTIONS = (ATEN.conv2d.default, ATEN.conv2d.padding)
LAYOUT_BOUND = (ATEN.view.default, ATEN.as_strided.default, ATEN.view_as.default)
"""Operators that fail where their input has another layout than when it was traced."""

BF16_PARAMETERS = 1_000_000
"""A smaller model trains within minutes anyway, and float32 is then one doubt less."""


@dataclass(frozen=True)
class Means:
    """The layout and precision of training.

    Attributes:
        channels_last: images and convolution weights lie in memory with their channels last.
        bfloat16: convolutions and products in bfloat16; weights and updates stay float32.
    """

    channels_last: bool
    bfloat16: bool

    @property
    def named(self) -> str:
        """The precision as a recipe names it."""
        return "bf16" if self.bfloat16 else "fp32"

    @property
    def weight_layout(self) -> torch.memory_format:
        """Where convolution weights have their channels in training."""
        return torch.channels_last if self.channels_last else torch.contiguous_format

    def laid_out(self, inputs: tuple[Tensor, ...]) -> tuple[Tensor, ...]:
        """Inputs in the layout of training."""
        return tuple(_channels_last(one) for one in inputs) if self.channels_last else inputs

    @contextmanager
    def precision(self) -> Iterator[None]:
        """The precision of training, for a forward pass."""
        with torch.autocast("cpu", torch.bfloat16, enabled=self.bfloat16):
            yield


def means(module: fx.GraphModule, precision: Precision = "auto") -> Means:
    """What pays for this module on this CPU; a precision other than "auto" is the user's."""
    called = {node.target for node in module.graph.nodes if node.op == "call_function"}
    channels_last = any(one in called for one in CONVOLUTIONS)
    channels_last &= not any(one in called for one in LAYOUT_BOUND)
    size = sum(parameter.numel() for parameter in module.parameters())
    pays = size >= BF16_PARAMETERS and _multiplies_bfloat16()
    return Means(channels_last, pays if precision == "auto" else precision == "bf16")


def arrange(module: fx.GraphModule, layout: torch.memory_format) -> None:
    """Puts the module's convolution weights into a layout, in place; their values stay."""
    for parameter in module.parameters():
        if parameter.dim() == 4:
            parameter.data = parameter.data.contiguous(memory_format=layout)


def _channels_last(tensor: Tensor) -> Tensor:
    if tensor.dim() != 4:
        return tensor
    return tensor.contiguous(memory_format=torch.channels_last)


def _multiplies_bfloat16() -> bool:
    found = torch.cpu.get_capabilities()
    return bool(found.get("amx_bf16") or found.get("avx512_bf16"))
