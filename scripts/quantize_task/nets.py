"""Small nets for images (N, 1, 32, 32): plain definitions after the papers."""

from itertools import pairwise

import torch
from torch import Tensor, nn
from torch.nn import functional


def convolution(
    into: int, out: int, kernel: int = 3, stride: int = 1, groups: int = 1, act: bool = True
) -> nn.Sequential:
    """Convolution, batch norm, and ReLU6 unless there is none."""
    layer = nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), *([nn.ReLU6()] if act else []))


class Inverted(nn.Module):
    """MobileNetV2's inverted residual (Sandler et al. 2018)."""

    def __init__(self, into: int, out: int, stride: int) -> None:
        super().__init__()
        wide = 4 * into
        self.body = nn.Sequential(
            convolution(into, wide, 1),
            convolution(wide, wide, 3, stride, wide),
            convolution(wide, out, 1, act=False),
        )
        self.same = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        """(N, into, H, W) to (N, out, H/stride, W/stride)."""
        return x + self.body(x) if self.same else self.body(x)


class Mobile(nn.Sequential):
    """A few inverted residuals."""

    def __init__(self) -> None:
        super().__init__(
            convolution(1, 16, 3, 2),
            Inverted(16, 16, 1),
            Inverted(16, 24, 2),
            Inverted(24, 24, 1),
            Inverted(24, 32, 2),
            Inverted(32, 32, 1),
            convolution(32, 96, 1),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Linear(96, 10),
        )


class Plain(nn.Module):
    """Convolutions and ReLUs alone."""

    def __init__(self) -> None:
        super().__init__()
        widths = (1, 16, 32, 32, 64)
        self.layers = nn.ModuleList(nn.Conv2d(into, out, 3, 2, 1) for into, out in pairwise(widths))
        self.head = nn.Linear(64, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10)."""
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x.mean((2, 3)))


@torch.no_grad()
def rescale(net: Plain) -> Plain:
    """The same function, with every second channel behind a ReLU 100 times as large: what makes it
    is multiplied, what reads it divided. The others are left two or three of int8's steps."""
    readers = [*list(net.layers)[1:], net.head]
    for before, after in zip(net.layers, readers, strict=True):
        factor = torch.ones(before.out_channels)
        factor[::2] = 100
        before.weight *= factor[:, None, None, None]
        before.bias *= factor
        after.weight /= factor.reshape(1, -1, *[1] * (after.weight.dim() - 2))
    return net


class Detector(nn.Module):
    """Convolutions, and one linear layer to four numbers."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(1, 16, 3, 2), convolution(16, 32, 3, 2), convolution(32, 32, 3, 2)
        )
        self.head = nn.Linear(32 * 16, 4)
        with torch.no_grad():
            self.head.weight *= torch.tensor([1.0, 10.0, 100.0, 1000.0])[:, None]

    def forward(self, x: Tensor) -> Tensor:
        """(N, 4), in ranges of 1, 10, 100 and 1,000."""
        return self.head(self.body(x).flatten(1))


class Block(nn.Module):
    """A transformer's block before its norms (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.one, self.two = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same."""
        batch, count, width = x.shape
        qkv = self.qkv(self.one(x)).reshape(batch, count, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        attended = functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(attended.transpose(1, 2).reshape(batch, count, width))
        return x + self.narrow(functional.gelu(self.wide(self.two(x))))


class Vit(nn.Module):
    """ViT on 64 patches of 4×4: four blocks of width 96."""

    def __init__(self, width: int = 96, heads: int = 3, deep: int = 4) -> None:
        super().__init__()
        self.patch = nn.Conv2d(1, width, 4, 4)
        self.position = nn.Parameter(torch.randn(1, 64, width) * 0.02)
        self.blocks = nn.Sequential(*(Block(width, heads) for _ in range(deep)))
        self.norm, self.head = nn.LayerNorm(width), nn.Linear(width, 10)

    def forward(self, x: Tensor) -> Tensor:
        """Logits (N, 10)."""
        x = self.patch(x).flatten(2).transpose(1, 2) + self.position
        return self.head(self.norm(self.blocks(x)).mean(1))
