"""A small residual network for 32×32 grey images."""

import torch
from torch import Tensor, nn


def normed(
    channels_in: int, channels_out: int, kernel: int, stride: int = 1, groups: int = 1
) -> nn.Sequential:
    """Convolution and batch norm, the image padded so that only the stride shrinks it."""
    convolution = nn.Conv2d(
        channels_in, channels_out, kernel, stride, kernel // 2, groups=groups, bias=False
    )
    return nn.Sequential(convolution, nn.BatchNorm2d(channels_out))


class Residual(nn.Module):
    """Two 3×3 convolutions and an identity shortcut, at full resolution."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.first = normed(channels, channels, 3)
        self.second = normed(channels, channels, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.second(torch.relu(self.first(x))) + x)


class Branches(nn.Module):
    """A strided depthwise-separable branch beside a strided 3×3 one, concatenated."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        half = channels_out // 2
        self.depthwise = normed(channels_in, channels_in, 3, stride=2, groups=channels_in)
        self.pointwise = normed(channels_in, half, 1)
        self.strided = normed(channels_in, half, 3, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        separable = torch.relu(self.pointwise(torch.relu(self.depthwise(x))))
        return torch.cat([separable, torch.relu(self.strided(x))], dim=1)


class Projected(nn.Module):
    """A strided depthwise-separable convolution and a projection shortcut."""

    def __init__(self, channels_in: int, channels_out: int) -> None:
        super().__init__()
        self.depthwise = normed(channels_in, channels_in, 3, stride=2, groups=channels_in)
        self.pointwise = normed(channels_in, channels_out, 1)
        self.shortcut = normed(channels_in, channels_out, 1, stride=2)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.pointwise(torch.relu(self.depthwise(x))) + self.shortcut(x))


class DigitsNet(nn.Module):
    """Images (N, 1, 32, 32) to the logits of ten digits (N, 10).

    Most of the work is done by a few wide layers at full resolution: there pruned channels buy
    time even after quantization, where a layer's fixed cost weighs more.
    """

    def __init__(
        self, fine: int = 48, coarse: int = 64, features: int = 96, classes: int = 10
    ) -> None:
        super().__init__()
        self.stem = normed(1, fine, 3)
        self.fine = nn.Sequential(Residual(fine), Residual(fine))
        self.branches = Branches(fine, coarse)
        self.projected = Projected(coarse, features)
        self.head = nn.Linear(features, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = self.projected(self.branches(self.fine(x)))
        return self.head(x.mean(dim=(2, 3)))
