"""The nets that pruning's speed is measured on, in full size, with random weights.

Plain definitions after the papers; their parameter counts are those of the published nets.
"""

import torch
from torch import Tensor, nn
from torch.nn import functional

IMAGE = (1, 3, 224, 224)


def convolution(
    into: int,
    out: int,
    kernel: int = 1,
    stride: int = 1,
    groups: int = 1,
    act: nn.Module | None = None,
) -> nn.Sequential:
    """Convolution, batch norm, and an activation unless it is None."""
    layer = nn.Conv2d(into, out, kernel, stride, kernel // 2, groups=groups, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), *([act] if act else []))


class Bottleneck(nn.Module):
    """ResNet's block of three convolutions (He et al. 2016)."""

    def __init__(self, into: int, width: int, stride: int) -> None:
        super().__init__()
        out = 4 * width
        self.body = nn.Sequential(
            convolution(into, width, act=nn.ReLU()),
            convolution(width, width, 3, stride, act=nn.ReLU()),
            convolution(width, out),
        )
        same = stride == 1 and into == out
        self.shortcut = nn.Identity() if same else convolution(into, out, 1, stride)

    def forward(self, x: Tensor) -> Tensor:
        """(N, into, H, W) to (N, 4·width, H/stride, W/stride)."""
        return functional.relu(self.body(x) + self.shortcut(x))


def resnet50(deep: int = 1) -> nn.Module:
    """ResNet-50: 25.6 million parameters. `deep` repeats its blocks."""
    layers: list[nn.Module] = [convolution(3, 64, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    into = 64
    for stage, count in enumerate((3, 4, 6, 3)):
        for block in range(count * deep):
            width = 64 * 2**stage
            layers.append(Bottleneck(into, width, 2 if stage and not block else 1))
            into = 4 * width
    return nn.Sequential(*layers, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(2048, 1000))


class Inverted(nn.Module):
    """MobileNetV2's inverted residual (Sandler et al. 2018)."""

    def __init__(self, into: int, out: int, stride: int, times: int) -> None:
        super().__init__()
        wide = into * times
        first = [convolution(into, wide, act=nn.ReLU6())] if times > 1 else []
        middle = convolution(wide, wide, 3, stride, wide, nn.ReLU6())
        self.body = nn.Sequential(*first, middle, convolution(wide, out))
        self.same = stride == 1 and into == out

    def forward(self, x: Tensor) -> Tensor:
        """(N, into, H, W) to (N, out, H/stride, W/stride)."""
        return x + self.body(x) if self.same else self.body(x)


def mobilenet_v2() -> nn.Module:
    """MobileNetV2: 3.5 million parameters."""
    stages = (
        (1, 16, 1, 1), (6, 24, 2, 2), (6, 32, 3, 2), (6, 64, 4, 2), (6, 96, 3, 1), (6, 160, 3, 2),
        (6, 320, 1, 1),
    )  # fmt: skip
    layers: list[nn.Module] = [convolution(3, 32, 3, 2, act=nn.ReLU6())]
    into = 32
    for times, out, count, stride in stages:
        for block in range(count):
            layers.append(Inverted(into, out, 1 if block else stride, times))
            into = out
    last = [convolution(320, 1280, act=nn.ReLU6()), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *last, nn.Dropout(0.2), nn.Linear(1280, 1000))


class DenseLayer(nn.Module):
    """DenseNet's layer: what it makes is put behind what it reads (Huang et al. 2017)."""

    def __init__(self, into: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(into), nn.ReLU(), nn.Conv2d(into, 4 * growth, 1, bias=False),
            nn.BatchNorm2d(4 * growth), nn.ReLU(),
            nn.Conv2d(4 * growth, growth, 3, padding=1, bias=False),
        )  # fmt: skip

    def forward(self, parts: list[Tensor]) -> Tensor:
        """All that came before, concatenated, to (N, growth, H, W)."""
        return self.body(torch.cat(parts, 1))


class DenseBlock(nn.Module):
    """Layers that each read all that came before."""

    def __init__(self, into: int, count: int, growth: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(DenseLayer(into + i * growth, growth) for i in range(count))

    def forward(self, x: Tensor) -> Tensor:
        """(N, into, H, W) to (N, into + count·growth, H, W)."""
        parts = [x]
        for layer in self.layers:
            parts.append(layer(parts))
        return torch.cat(parts, 1)


def densenet(counts: tuple[int, ...]) -> nn.Module:
    """DenseNet-121, -169 or -201 by its counts: 8.0, 14.1, 20.0 million parameters."""
    layers: list[nn.Module] = [convolution(3, 64, 7, 2, act=nn.ReLU()), nn.MaxPool2d(3, 2, 1)]
    width = 64
    for stage, count in enumerate(counts):
        if stage:
            halved = nn.Conv2d(width, width // 2, 1, bias=False)
            layers += [nn.BatchNorm2d(width), nn.ReLU(), halved, nn.AvgPool2d(2)]
            width //= 2
        layers.append(DenseBlock(width, count, 32))
        width += 32 * count
    last = [nn.BatchNorm2d(width), nn.ReLU(), nn.AdaptiveAvgPool2d(1), nn.Flatten()]
    return nn.Sequential(*layers, *last, nn.Linear(width, 1000))


class ChannelNorm(nn.LayerNorm):
    """Layer norm over channels that come first."""

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        return super().forward(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


class ConvNextBlock(nn.Module):
    """Depthwise 7×7, norm, two linear layers, a scale (Liu et al. 2022)."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.mix, self.norm = nn.Conv2d(width, width, 7, 1, 3, groups=width), nn.LayerNorm(width)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)
        self.scale = nn.Parameter(torch.full((width, 1, 1), 1e-6))

    def forward(self, x: Tensor) -> Tensor:
        """(N, C, H, W) to the same."""
        y = self.norm(self.mix(x).permute(0, 2, 3, 1))
        return x + self.scale * self.narrow(functional.gelu(self.wide(y))).permute(0, 3, 1, 2)


def convnext_tiny() -> nn.Module:
    """ConvNeXt-T: 28.6 million parameters."""
    widths = (96, 192, 384, 768)
    layers: list[nn.Module] = [nn.Conv2d(3, 96, 4, 4), ChannelNorm(96, 1e-6)]
    for stage, (width, count) in enumerate(zip(widths, (3, 3, 9, 3), strict=True)):
        if stage:
            before = widths[stage - 1]
            layers += [ChannelNorm(before, 1e-6), nn.Conv2d(before, width, 2, 2)]
        layers += [ConvNextBlock(width) for _ in range(count)]
    last = [nn.AdaptiveAvgPool2d(1), ChannelNorm(768, 1e-6), nn.Flatten(), nn.Linear(768, 1000)]
    return nn.Sequential(*layers, *last)


class Attention(nn.Module):
    """Self-attention of ViT, one projection for queries, keys and values."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.heads = heads
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same."""
        batch, count, width = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, self.heads, width // self.heads)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = functional.scaled_dot_product_attention(q, k, v)
        return self.out(x.transpose(1, 2).reshape(batch, count, width))


class VitBlock(nn.Module):
    """A transformer's block before its norms (Dosovitskiy et al. 2021)."""

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.one, self.attention = nn.LayerNorm(width, 1e-6), Attention(width, heads)
        self.two = nn.LayerNorm(width, 1e-6)
        self.wide, self.narrow = nn.Linear(width, 4 * width), nn.Linear(4 * width, width)

    def forward(self, x: Tensor) -> Tensor:
        """(N, L, C) to the same."""
        x = x + self.attention(self.one(x))
        return x + self.narrow(functional.gelu(self.wide(self.two(x))))


class Vit(nn.Module):
    """ViT-S/16: 22.1 million parameters."""

    def __init__(self, width: int = 384, heads: int = 6, deep: int = 12) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, width, 16, 16)
        self.token = nn.Parameter(torch.zeros(1, 1, width))
        self.position = nn.Parameter(torch.zeros(1, 197, width))
        self.blocks = nn.Sequential(*(VitBlock(width, heads) for _ in range(deep)))
        self.norm, self.head = nn.LayerNorm(width, 1e-6), nn.Linear(width, 1000)

    def forward(self, x: Tensor) -> Tensor:
        """(N, 3, 224, 224) to (N, 1000)."""
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


MODELS = {
    "ResNet-50": resnet50,
    "MobileNetV2": mobilenet_v2,
    "DenseNet-121": lambda: densenet((6, 12, 24, 16)),
    "DenseNet-169": lambda: densenet((6, 12, 32, 32)),
    "DenseNet-201": lambda: densenet((6, 12, 48, 32)),
    "ConvNeXt-T": convnext_tiny,
    "ViT-S": Vit,
}
