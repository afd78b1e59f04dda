"""Vision models that attend: ViT with fused and separate projections, Swin, a linear hybrid."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = (1, 3, 16, 16)
WIDTH, HEADS = 24, 3


class Fused(nn.Module):
    """One projection for queries, keys and values."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(WIDTH, 3 * WIDTH), nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        qkv = self.qkv(x).reshape(batch, count, 3, HEADS, width // HEADS)
        q, k, v = qkv.permute(2, 0, 3, 1, 4).unbind(0)
        x = F.scaled_dot_product_attention(q, k, v)
        return self.out(x.transpose(1, 2).reshape(batch, count, width))


class Separate(nn.Module):
    """Three projections, and the softmax written out."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        batch, count, width = x.shape
        heads = [
            layer(x).view(batch, count, HEADS, width // HEADS).transpose(1, 2)
            for layer in (self.q, self.k, self.v)
        ]
        weights = (heads[0] @ heads[1].transpose(-2, -1) * (width // HEADS) ** -0.5).softmax(-1)
        return self.out((weights @ heads[2]).transpose(1, 2).reshape(batch, count, width))


class Transformer(nn.Module):
    """Norm, attention, norm, two linear layers; residuals around both."""

    def __init__(self, attention: nn.Module, width: int = WIDTH) -> None:
        super().__init__()
        self.one, self.two, self.attention = nn.LayerNorm(width), nn.LayerNorm(width), attention
        self.mlp = nn.Sequential(nn.Linear(width, 48), nn.GELU(), nn.Linear(48, width))

    def forward(self, x: Tensor) -> Tensor:
        x = x + self.attention(self.one(x))
        return x + self.mlp(self.two(x))


class Vit(nn.Module):
    """Patches, a class token, learned positions, transformer blocks, a head on the token."""

    def __init__(self, attention: type) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, WIDTH, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, WIDTH))
        self.position = nn.Parameter(torch.zeros(1, 17, WIDTH))
        self.blocks = nn.Sequential(Transformer(attention()), Transformer(attention()))
        self.norm, self.head = nn.LayerNorm(WIDTH), nn.Linear(WIDTH, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.norm(self.blocks(x))[:, 0])


class Window(nn.Module):
    """Attention within windows of 2×2, shifted by a roll, with a bias by relative position."""

    def __init__(self, width: int, side: int, shift: int) -> None:
        super().__init__()
        self.side, self.shift, self.heads = side, shift, width // 8
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.table = nn.Parameter(torch.zeros(9, self.heads))
        places = torch.stack(torch.meshgrid(torch.arange(2), torch.arange(2), indexing="ij"))
        apart = (places.flatten(1)[:, :, None] - places.flatten(1)[:, None]).permute(1, 2, 0) + 1
        self.register_buffer("index", (apart[..., 0] * 3 + apart[..., 1]).flatten())

    def forward(self, x: Tensor) -> Tensor:
        batch, _, width = x.shape
        half = self.side // 2
        x = x.view(batch, self.side, self.side, width)
        if self.shift:
            x = torch.roll(x, (-self.shift, -self.shift), (1, 2))
        x = x.view(batch, half, 2, half, 2, width).permute(0, 1, 3, 2, 4, 5)
        x = self.attend(x.reshape(-1, 4, width))
        x = x.view(-1, half, half, 2, 2, width).permute(0, 1, 3, 2, 4, 5)
        x = x.reshape(batch, self.side, self.side, width)
        if self.shift:
            x = torch.roll(x, (self.shift, self.shift), (1, 2))
        return x.reshape(batch, self.side**2, width)

    def attend(self, x: Tensor) -> Tensor:
        windows, count, width = x.shape
        qkv = self.qkv(x).reshape(windows, count, 3, self.heads, 8).permute(2, 0, 3, 1, 4)
        bias = self.table[self.index].view(4, 4, self.heads).permute(2, 0, 1).unsqueeze(0)
        x = F.scaled_dot_product_attention(qkv[0], qkv[1], qkv[2], attn_mask=bias)
        return self.out(x.transpose(1, 2).reshape(windows, count, width))


class Merging(nn.Module):
    """Four neighbours become one position of twice the width."""

    def __init__(self, width: int, side: int) -> None:
        super().__init__()
        self.side, self.norm = side, nn.LayerNorm(4 * width)
        self.reduce = nn.Linear(4 * width, 2 * width, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        batch, _, width = x.shape
        x = x.view(batch, self.side, self.side, width)
        quarters = [x[:, i::2, j::2] for j in (0, 1) for i in (0, 1)]
        x = torch.cat(quarters, -1).view(batch, -1, 4 * width)
        return self.reduce(self.norm(x))


def swin() -> nn.Module:
    def block(width: int, side: int, shift: int) -> nn.Module:
        return Transformer(Window(width, side, shift), width)

    return nn.Sequential(
        nn.Conv2d(3, 16, 2, 2), nn.Flatten(2), Swapped(), block(16, 8, 0), block(16, 8, 1),
        Merging(16, 8), block(32, 4, 0), block(32, 4, 1), nn.LayerNorm(32), Swapped(),
        nn.AdaptiveAvgPool1d(1), nn.Flatten(), nn.Linear(32, 5),
    )  # fmt: skip


class Swapped(nn.Module):
    """Channels last become channels first, and back."""

    def forward(self, x: Tensor) -> Tensor:
        return x.transpose(1, 2)


class Linear(nn.Module):
    """Linear attention: the kernel is a ReLU, so keys meet values first (EfficientViT)."""

    def __init__(self, channels: int) -> None:
        super().__init__()
        self.qkv = nn.Conv2d(channels, 3 * channels, 1, bias=False)
        self.near = nn.Conv2d(3 * channels, 3 * channels, 3, 1, 1, groups=3 * channels)
        self.out = nn.Sequential(nn.Conv2d(2 * channels, channels, 1), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        batch, _, height, width = x.shape
        qkv = self.qkv(x)
        qkv = torch.cat([qkv, self.near(qkv)], 1).reshape(batch, -1, 3 * 8, height * width)
        q, k, v = qkv.split(8, dim=2)
        q, k = q.relu(), k.relu()
        v = F.pad(v, (0, 0, 0, 1), value=1.0)
        y = (v @ k.transpose(-1, -2)) @ q
        y = y[:, :, :-1] / (y[:, :, -1:] + 1e-6)
        return x + self.out(y.reshape(batch, -1, height, width))


def hybrid() -> nn.Module:
    def convolution(into: int, out: int, stride: int) -> list[nn.Module]:
        return [nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out), nn.Hardswish()]

    return nn.Sequential(
        *convolution(3, 16, 2), *convolution(16, 24, 2), Linear(24), *convolution(24, 24, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(24, 5),
    )  # fmt: skip


NETS = {
    "vit-fused": lambda: Vit(Fused),
    "vit-separate": lambda: Vit(Separate),
    "swin": swin,
    "hybrid": hybrid,
}


@pytest.mark.parametrize("name", NETS)
def test_pruned(name: str, journey) -> None:
    journey(NETS[name](), torch.randn(IMAGE))


@pytest.mark.slow
@pytest.mark.parametrize("name", NETS)
def test_exported(name: str, journey, exported) -> None:
    exported(journey(NETS[name](), torch.randn(IMAGE)))
