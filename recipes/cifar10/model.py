"""ResNet-20 for 32×32 colour images."""

import torch
from torch import Tensor, nn
from torch.nn import functional


class Residual(nn.Module):
    """Two 3×3 convolutions beside a shortcut without weights.

    Where the block halves the image and widens it, the shortcut takes every second pixel, and
    zeroes stand before and after its channels.
    """

    def __init__(self, incoming: int, outgoing: int, stride: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(incoming, outgoing, 3, stride, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(outgoing)
        self.conv2 = nn.Conv2d(outgoing, outgoing, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(outgoing)
        self.new = outgoing - incoming

    def forward(self, x: Tensor) -> Tensor:
        y = torch.relu(self.bn1(self.conv1(x)))
        y = self.bn2(self.conv2(y))
        if self.new:
            before = self.new // 2
            x = functional.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, before, self.new - before))
        return torch.relu(y + x)


class ResNet20(nn.Module):
    """Images (N, 3, 32, 32) to the logits of ten classes (N, 10).

    He et al. 2016, "Deep Residual Learning for Image Recognition", section 4.2, n = 3, with the
    shortcuts of option A.
    """

    def __init__(self, classes: int = 10) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(3, 16, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(16)
        self.layer1 = stage(16, 16, 1)
        self.layer2 = stage(16, 32, 2)
        self.layer3 = stage(32, 64, 2)
        self.linear = nn.Linear(64, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.bn1(self.conv1(x)))
        x = self.layer3(self.layer2(self.layer1(x)))
        return self.linear(x.mean(dim=(2, 3)))


def stage(incoming: int, outgoing: int, stride: int) -> nn.Sequential:
    """Three blocks at one resolution."""
    return nn.Sequential(
        Residual(incoming, outgoing, stride),
        Residual(outgoing, outgoing, 1),
        Residual(outgoing, outgoing, 1),
    )
