"""A scale per channel for a weight, from the weight alone."""

import torch
from torch import Tensor

from pipeline.quantize.plan import Settings, WeightQuantization

GREATEST = 127
SHRINKAGE = torch.linspace(1.0, 0.5, 51)
"""Candidates for a channel's range, as fractions of its largest value."""


def scales_of(weight: Tensor, entry: WeightQuantization, settings: Settings) -> Tensor:
    """One scale (C,) per slice of a weight along the entry's axis: those stored, else those that
    the settings' `weight_range` gives."""
    if entry.scales:
        return torch.tensor(entry.scales, dtype=torch.float32)
    channels = weight.detach().movedim(entry.channel_axis, 0).flatten(1)
    limits = channels.abs().amax(1)
    if settings.weight_range == "least-squares":
        limits = _least_squares(channels, limits)
    return (limits / GREATEST).clamp_min(settings.least_scale)


def integers(weight: Tensor, scales: Tensor, channel_axis: int) -> Tensor:
    """The int8 values, in float32, that stand for a weight."""
    return torch.round(weight / spread(scales, weight, channel_axis)).clamp(-GREATEST, GREATEST)


def spread(scales: Tensor, weight: Tensor, channel_axis: int) -> Tensor:
    """Scales (C,) in a shape that multiplies a weight along this axis."""
    shape = [1] * weight.dim()
    shape[channel_axis] = -1
    return scales.reshape(shape)


def _least_squares(channels: Tensor, limits: Tensor) -> Tensor:
    """Per channel the range with the least squared error of its own weights (norm minimisation,
    Krishnamoorthi 2018, section 3.1); the widest of equals."""
    best, least = limits, torch.full_like(limits, torch.inf)
    for fraction in SHRINKAGE:
        scale = (limits * fraction / GREATEST).clamp_min(torch.finfo(torch.float32).tiny)
        rounded = integers(channels, scale, 0) * scale[:, None]
        error = (channels - rounded).square().sum(1)
        best, least = (
            torch.where(error < least, limits * fraction, best),
            torch.minimum(error, least),
        )
    return best
