"""Micro nets: convolution → operator → convolution. What whole models hide, these catch.

Each entry says how many channels of the first group must go when half are asked for: an operator
whose rule gives up would pin them, and its net would pass every comparison.
"""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

Function = Callable[[Tensor], Tensor]


class Around(nn.Module):
    """16 channels made by a convolution, an operator, and a convolution that reads `width`."""

    def __init__(self, operator: Function, width: int = 16, before: int = 16) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, before, 3, padding=1)
        self.operator = operator
        self.last = nn.Conv2d(width, 5, 1)

    def forward(self, x: Tensor) -> Tensor:
        return self.last(self.operator(self.first(x)))


def shuffle(x: Tensor) -> Tensor:
    batch, channels, height, width = x.shape
    x = x.view(batch, 2, channels // 2, height, width)
    return x.transpose(1, 2).reshape(batch, channels, height, width)


def halves(x: Tensor) -> Tensor:
    a, b = x.chunk(2, dim=1)
    return a * b.sigmoid()


def unequal(x: Tensor) -> Tensor:
    a, b, c = x.split([5, 1, 10], dim=1)
    return torch.cat([c, a, b, a], dim=1)


def normalised_last(x: Tensor) -> Tensor:
    x = x.permute(0, 2, 3, 1)
    return F.layer_norm(x, x.shape[-1:]).permute(0, 3, 1, 2)


def in_place(x: Tensor) -> Tensor:
    y = x + 1
    y[:, :8] += x[:, 8:]
    y.relu_()
    return y


def sampled(x: Tensor) -> Tensor:
    """Half as many places, at every second pixel."""
    steps = torch.linspace(-1, 1, 3, dtype=x.dtype)
    grid = torch.stack(torch.meshgrid(steps, steps, indexing="xy"), -1)
    return F.grid_sample(x, grid.expand(x.shape[0], -1, -1, -1), align_corners=True)


def turned(x: Tensor) -> Tensor:
    """A spatial transformer: the input says how it is turned."""
    theta = x.mean((1, 2, 3))[:, None, None] * torch.ones(2, 3, dtype=x.dtype)
    return F.grid_sample(x, F.affine_grid(theta, x.shape, False), align_corners=False)


def unpooled(x: Tensor) -> Tensor:
    pooled, places = F.max_pool2d(x, 2, return_indices=True)
    return F.max_unpool2d(pooled.tanh(), places, 2)


def filtered(x: Tensor) -> Tensor:
    """A global filter: every frequency of space by a number."""
    spectrum = torch.fft.rfft2(x) * torch.view_as_complex(torch.ones(6, 4, 2, dtype=x.dtype))
    return torch.fft.irfft2(spectrum, s=(6, 6))


def spread(x: Tensor) -> Tensor:
    return x.mean((2, 3), keepdim=True).expand(-1, -1, x.shape[2], x.shape[3]) * x


FREE: dict[str, tuple[Function, int]] = {
    "relu": (F.relu, 16),
    "relu in place": (F.relu_, 16),
    "hardswish": (F.hardswish, 16),
    "relu6": (F.relu6, 16),
    "leaky relu": (F.leaky_relu, 16),
    "gelu": (F.gelu, 16),
    "silu": (F.silu, 16),
    "elu": (F.elu, 16),
    "log sigmoid": (F.logsigmoid, 16),
    "softplus": (F.softplus, 16),
    "clamp": (lambda x: x.clamp(-0.3, 0.4), 16),
    "exp": (lambda x: (-x.abs()).exp() - 0.5, 16),
    "power": (lambda x: x.abs().pow(1.5), 16),
    "where": (lambda x: torch.where(x > 0, x, 0.1 * x.exp()), 16),
    "masked fill": (lambda x: x.masked_fill(x < 0.1, 0.7), 16),
    "reciprocal": (lambda x: 1 / (1 + x * x), 16),
    "ratio": (lambda x: x / x.abs().sum((2, 3), keepdim=True), 16),
    "dropout": (lambda x: F.dropout(x, 0.5, training=False), 16),
    "sum of itself": (lambda x: x + F.relu(x), 16),
    "max pool": (lambda x: F.max_pool2d(x, 2), 16),
    "average pool": (lambda x: F.avg_pool2d(x, 3, 1, 1), 16),
    "adaptive pool": (lambda x: F.adaptive_avg_pool2d(x, 3), 16),
    "adaptive max pool": (lambda x: F.adaptive_max_pool2d(x, 2), 16),
    "nearest": (lambda x: F.interpolate(x, scale_factor=2), 16),
    "bilinear": (lambda x: F.interpolate(x, size=(5, 7), mode="bilinear"), 16),
    "bicubic": (lambda x: F.interpolate(x, scale_factor=2, mode="bicubic"), 16),
    "space padding": (lambda x: F.pad(x, (1, 2, 0, 1)), 16),
    "reflecting padding": (lambda x: F.pad(x, (1, 1, 1, 1), mode="reflect"), 16),
    "channel padding": (lambda x: F.pad(x, (0, 0, 0, 0, 2, 1), value=0.3), 19),
    "sampled at places": (sampled, 16),
    "turned": (turned, 16),
    "unpooled": (unpooled, 16),
    "filtered by frequency": (filtered, 16),
    "real numbers of complex ones": (
        lambda x: torch.view_as_real(torch.fft.fft(x, dim=3)).flatten(3),
        16,
    ),
    "pixel unshuffle": (lambda x: F.pixel_unshuffle(x, 2), 64),
    "space to depth by hand": (
        lambda x: x.view(-1, 16, 3, 2, 3, 2).permute(0, 1, 3, 5, 2, 4).reshape(-1, 64, 3, 3),
        64,
    ),
    "mean over space": (lambda x: x.mean((2, 3), keepdim=True), 16),
    "gate by the mean": (spread, 16),
    "gate by the channels' mean": (lambda x: x * x.mean(1, keepdim=True), 16),
    "gate by the channels' maximum": (lambda x: x * x.amax(1, keepdim=True), 16),
    "less the channels' maximum": (lambda x: x - x.max(1, keepdim=True)[0], 16),
    "less the channels' median": (lambda x: x - x.median(1, keepdim=True).values, 16),
    "where any channel is large": (lambda x: x * (x > 0.9).any(1, keepdim=True), 16),
    "where all channels are small": (lambda x: x * (x < 0.9).all(1, keepdim=True), 16),
    "channels' deviation": (lambda x: x / (x.std(1, keepdim=True) + 0.1), 16),
    "channels' norm": (lambda x: x / x.norm(dim=1, keepdim=True), 16),
    "layer norm of channels": (normalised_last, 16),
    "group norm of one": (lambda x: F.group_norm(x, 1), 16),
    "instance norm": (F.instance_norm, 16),
    "permute there and back": (lambda x: x.permute(0, 2, 3, 1).permute(0, 3, 1, 2), 16),
    "transpose there and back": (lambda x: x.transpose(1, 3).relu().transpose(3, 1), 16),
    "flatten and unflatten": (lambda x: x.flatten(2).unflatten(2, (6, 6)), 16),
    "view and back": (lambda x: x.view(x.shape[0], 16, -1).view(x.shape[0], 16, 6, 6), 16),
    "view with an open batch": (lambda x: x.view(-1, 16, 36).view(-1, 16, 6, 6), 16),
    "batch merged": (lambda x: x.reshape(-1, 6, 6).abs().reshape(x.shape), 16),
    "channels merged with space": (lambda x: x.flatten(1).view(-1, 16, 6, 6), 16),
    "unsqueeze and squeeze": (lambda x: x.unsqueeze(2).squeeze(2), 16),
    "chunks": (halves, 8),
    "gated linear unit": (lambda x: F.glu(x, 1), 8),
    "narrowed": (lambda x: x.narrow(1, 4, 9), 9),
    "side by side": (lambda x: torch.hstack([x, x.exp()]), 32),
    "one below the other": (lambda x: torch.vstack([x, x.exp()]).unflatten(0, (2, -1)).sum(0), 16),
    "unequal splits": (unequal, 21),
    "slices": (lambda x: torch.cat([x[:, 3:12], x[:, :7]], 1), 16),
    "strided slice": (lambda x: x[:, ::2], 8),
    "odd strided slice": (lambda x: x[:, 1::2], 8),
    "slice from the end": (lambda x: x[:, -6:], 6),
    "flip": (lambda x: x.flip(1), 16),
    "repeat": (lambda x: x.repeat(1, 2, 1, 1), 32),
    "repeat each": (lambda x: x.repeat_interleave(3, 1), 48),
    "expand a new dimension": (
        lambda x: x.unsqueeze(2).expand(-1, -1, 3, -1, -1).reshape(-1, 48, 6, 6),
        48,
    ),
    "concat with itself": (lambda x: torch.cat([x, x.exp()], 1), 32),
    "concat with constants": (lambda x: torch.cat([x, torch.ones_like(x)], 1), 32),
    "stack and sum": (lambda x: torch.stack([x, x.relu()], 0).sum(0), 16),
    "stack and flatten": (lambda x: torch.stack([x, x.relu()], 2).flatten(1, 2), 32),
    "channel shuffle": (shuffle, 16),
    "channel shuffle operator": (lambda x: F.channel_shuffle(x, 2), 16),
    "in place on a slice": (in_place, 16),
    "hardswish in place": (lambda x: F.hardswish(x + 1, inplace=True), 16),
    "divided in place": (lambda x: (x + 1).div_(2.0), 16),
    "a number to its power": (lambda x: 2.0**x, 16),
    "sine and cosine": (lambda x: x.sin() + x.cos(), 16),
    "divided and floored": (lambda x: torch.div(x, 0.3, rounding_mode="floor"), 16),
    "where it is not small": (lambda x: x * ~(x < 0.1), 16),
    "moved": (lambda x: x.to("cpu", torch.float64), 16),
    "in the shape of another": (lambda x: x.flatten(1).reshape_as(x), 16),
    "as large as another": (lambda x: x.mean((2, 3), keepdim=True).expand_as(x) + x, 16),
    "pooled along a line": (lambda x: F.avg_pool1d(x.flatten(2), 2).unflatten(2, (3, 6)), 16),
}


@pytest.mark.parametrize("name", FREE)
def test_pruned_through(name: str, prove) -> None:
    function, width = FREE[name]
    half = prove(Around(function, width), torch.randn(1, 3, 6, 6))
    assert half.groups, half.pinned
    assert not [p for p in half.pinned if "rule" in p.reason]
    assert half.parameters_kept < half.parameters_dense


PINNED: dict[str, tuple[Function, int]] = {
    "softmax over channels": (lambda x: x.softmax(1), 16),
    "cumulated channels": (lambda x: x.cumsum(1), 16),
    "rolled channels": (lambda x: x.roll(1, 1), 16),
    "transformed channels": (lambda x: torch.fft.fft(x, dim=1).real, 16),
    "sorted channels": (lambda x: x.sort(dim=1).values, 16),
    "multiplied by positions": (lambda x: x * x.argmax(1, keepdim=True), 16),
    "unknown operator": (lambda x: torch.special.logit(torch.cdist(x, x), 0.1)[:, :, :6, :6], 16),
}


@pytest.mark.parametrize("name", PINNED)
def test_pinned_with_a_reason(name: str, prove) -> None:
    """Operators for which an index means something keep the whole dimension, and are named."""
    function, width = PINNED[name]
    half = prove(Around(function, width), torch.randn(1, 3, 6, 6))
    reasons = {found.name: found.reason for found in half.pinned}
    assert not half.groups
    assert reasons["first.weight[0]"]
    assert "'" in reasons["first.weight[0]"]
