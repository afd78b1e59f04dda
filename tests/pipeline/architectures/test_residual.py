"""Convolutional nets that add: residual shortcuts of all kinds, groups, gates, inverted blocks."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = (1, 3, 16, 16)


def convolution(
    into: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: type = nn.ReLU
) -> nn.Sequential:
    layer = nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), act())


def classifier(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


class Gate(nn.Module):
    """Squeeze and excitation."""

    def __init__(self, channels: int, act: type = nn.ReLU, gate: type = nn.Sigmoid) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.AdaptiveAvgPool2d(1), nn.Conv2d(channels, channels // 2, 1), act(),
            nn.Conv2d(channels // 2, channels, 1), gate(),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return x * self.body(x)


class Basic(nn.Module):
    """Two convolutions and a shortcut: identity, projection, or padding with zeroes (option A)."""

    def __init__(self, into: int, out: int, stride: int, shortcut: str) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(into, out, stride=stride),
            nn.Conv2d(out, out, 3, 1, 1, bias=False), nn.BatchNorm2d(out),
        )  # fmt: skip
        self.shortcut, self.stride, self.missing = shortcut, stride, out - into
        if shortcut == "projection":
            self.project = nn.Sequential(nn.Conv2d(into, out, 1, stride), nn.BatchNorm2d(out))

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.shortcut == "projection":
            x = self.project(x)
        elif self.shortcut == "padding":
            around = (self.missing // 2, self.missing - self.missing // 2)
            x = F.pad(x[:, :, :: self.stride, :: self.stride], (0, 0, 0, 0, *around))
        return F.relu(x + y)


class Bottleneck(nn.Module):
    """Narrow, grouped, wide (ResNeXt, RegNet), with a gate where asked for."""

    def __init__(self, into: int, out: int, stride: int, groups: int, gated: bool) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(into, out, 1), convolution(out, out, 3, stride, groups),
            Gate(out) if gated else nn.Identity(),
            nn.Conv2d(out, out, 1, bias=False), nn.BatchNorm2d(out),
        )  # fmt: skip
        same = into == out and stride == 1
        self.project = nn.Identity() if same else nn.Conv2d(into, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        return F.relu(self.project(x) + self.body(x))


class Inverted(nn.Module):
    """Wide in the middle and depthwise there (MobileNet v2 and v3, EfficientNet)."""

    def __init__(self, into: int, out: int, stride: int, act: type, gate: type | None) -> None:
        super().__init__()
        wide = 3 * into
        self.body = nn.Sequential(
            convolution(into, wide, 1, act=act),
            convolution(wide, wide, 3, stride, wide, act=act),
            Gate(wide, act, gate) if gate else nn.Identity(),
            nn.Conv2d(wide, out, 1, bias=False), nn.BatchNorm2d(out),
        )  # fmt: skip
        self.same = into == out and stride == 1

    def forward(self, x: Tensor) -> Tensor:
        return x + self.body(x) if self.same else self.body(x)


class Shuffle(nn.Module):
    """ShuffleNet v2: half the channels pass by, and the two halves are interleaved."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        half = channels // 2
        self.body = nn.Sequential(
            convolution(half, half, 1), convolution(half, half, 3, 1, half, nn.Identity),
            convolution(half, half, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        a, b = x.chunk(2, dim=1)
        x = torch.cat([a, self.body(b)], 1)
        batch, channels, height, width = x.shape
        x = x.view(batch, 2, channels // 2, height, width)
        return x.transpose(1, 2).reshape(batch, channels, height, width)


class GroupedShuffle(nn.Module):
    """ShuffleNet v1: grouped pointwise convolutions, a shuffle between them."""

    def __init__(self, channels: int, groups: int) -> None:
        super().__init__()
        self.groups = groups
        self.narrow = convolution(channels, channels, 1, groups=groups)
        self.mix = convolution(channels, channels, 3, 1, channels, nn.Identity)
        self.wide = convolution(channels, channels, 1, groups=groups, act=nn.Identity)

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(x)
        batch, channels, height, width = y.shape
        y = y.view(batch, self.groups, channels // self.groups, height, width)
        y = y.transpose(1, 2).reshape(batch, channels, height, width)
        return F.relu(x + self.wide(self.mix(y)))


class ConvNextBlock(nn.Module):
    """Depthwise, then channels last: norm, wide linear layers, a scale per channel."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.mix = nn.Conv2d(channels, channels, 5, padding=2, groups=channels)
        self.norm = nn.LayerNorm(channels)
        self.wide, self.narrow = nn.Linear(channels, 32), nn.Linear(32, channels)
        self.scale = nn.Parameter(torch.full((channels,), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix(x).permute(0, 2, 3, 1))
        y = self.scale * self.narrow(F.gelu(self.wide(y)))
        return x + y.permute(0, 3, 1, 2)


class ChannelNorm(nn.Module):
    """Layer norm over channels that come first."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(channels))
        self.bias = nn.Parameter(torch.zeros(channels))

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean(1, keepdim=True)
        variance = (x - mean).pow(2).mean(1, keepdim=True)
        x = (x - mean) / torch.sqrt(variance + 1e-6)
        return self.weight[:, None, None] * x + self.bias[:, None, None]


def separable(into: int, out: int, stride: int) -> nn.Sequential:
    return nn.Sequential(convolution(into, into, 3, stride, into), convolution(into, out, 1))


def resnet(shortcut: str) -> nn.Module:
    return nn.Sequential(
        convolution(3, 8), Basic(8, 8, 1, "identity"), Basic(8, 16, 2, shortcut),
        Basic(16, 16, 1, "identity"), classifier(16),
    )  # fmt: skip


def inverted(act: type, gate: type | None) -> nn.Module:
    return nn.Sequential(
        convolution(3, 8, stride=2, act=act), Inverted(8, 12, 2, act, gate),
        Inverted(12, 12, 1, act, gate), convolution(12, 32, 1, act=act), classifier(32),
    )  # fmt: skip


NETS = {
    "resnet-projection": lambda: resnet("projection"),
    "resnet-padding": lambda: resnet("padding"),
    "resnext": lambda: nn.Sequential(
        convolution(3, 12), Bottleneck(12, 24, 2, 6, False), Bottleneck(24, 24, 1, 6, False),
        classifier(24),
    ),
    "regnet": lambda: nn.Sequential(
        convolution(3, 12), Bottleneck(12, 24, 2, 3, True), Bottleneck(24, 24, 1, 3, True),
        classifier(24),
    ),
    "mobilenet-v1": lambda: nn.Sequential(
        convolution(3, 8, stride=2), separable(8, 16, 1), separable(16, 24, 2), classifier(24)
    ),
    "mobilenet-v2": lambda: inverted(nn.ReLU6, None),
    "mobilenet-v3": lambda: inverted(nn.Hardswish, nn.Hardsigmoid),
    "efficientnet": lambda: inverted(nn.SiLU, nn.Sigmoid),
    "shufflenet": lambda: nn.Sequential(
        convolution(3, 16, stride=2), Shuffle(16), Shuffle(16), convolution(16, 24, 1),
        classifier(24),
    ),
    "shufflenet-v1": lambda: nn.Sequential(
        convolution(3, 50, stride=2), GroupedShuffle(50, 5), GroupedShuffle(50, 5), classifier(50)
    ),
    "convnext": lambda: nn.Sequential(
        nn.Conv2d(3, 8, 2, 2), ChannelNorm(8), ConvNextBlock(8), ChannelNorm(8),
        nn.Conv2d(8, 16, 2, 2), ConvNextBlock(16), classifier(16),
    ),
}  # fmt: skip


# Its norm of channels is written out: what is gone of them is centred to minus their mean.
LEAVING = ("convnext",)


@pytest.mark.parametrize("name", NETS)
def test_pruned(name: str, journey) -> None:
    journey(NETS[name](), torch.randn(IMAGE), leaves=name in LEAVING)


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_exported(name: str, journey, exported) -> None:
    exported(journey(NETS[name](), torch.randn(IMAGE), leaves=name in LEAVING))
