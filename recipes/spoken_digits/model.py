"""A depthwise-separable network for spectrograms."""

import torch
from torch import Tensor, nn


class Separable(nn.Module):
    """A depthwise 3×3 convolution and a pointwise one, each normalised and rectified."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.depthwise = nn.Conv2d(channels, channels, 3, padding=1, groups=channels, bias=False)
        self.depthwise_norm = nn.BatchNorm2d(channels)
        self.pointwise = nn.Conv2d(channels, channels, 1, bias=False)
        self.pointwise_norm = nn.BatchNorm2d(channels)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.depthwise_norm(self.depthwise(x)))
        return torch.relu(self.pointwise_norm(self.pointwise(x)))


class SpokenDigitsNet(nn.Module):
    """Log-mel maps (N, 1, frames, bands) to the logits of ten digits (N, 10).

    The small DS-CNN of Zhang et al. 2017, "Hello Edge: Keyword Spotting on Microcontrollers",
    section 4: one wide convolution that halves both axes, four separable ones, a mean.
    """

    def __init__(self, channels: int = 64, blocks: int = 4, classes: int = 10) -> None:
        super().__init__()
        self.stem = nn.Conv2d(1, channels, (10, 4), stride=2, padding=(4, 1), bias=False)
        self.stem_norm = nn.BatchNorm2d(channels)
        self.blocks = nn.Sequential(*(Separable(channels) for _ in range(blocks)))
        self.dropout = nn.Dropout(0.2)
        self.head = nn.Linear(channels, classes)

    def forward(self, x: Tensor) -> Tensor:
        x = self.blocks(torch.relu(self.stem_norm(self.stem(x))))
        return self.head(self.dropout(x.mean(dim=(2, 3))))
