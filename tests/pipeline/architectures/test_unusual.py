"""Nets off the beaten track: several inputs, outputs by name, tied and computed weights, gates,
steps unrolled by hand."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE, SEQUENCE = (1, 3, 16, 16), (1, 12, 16)


def convolution(into: int, out: int, kernel: int = 3, **settings: int) -> nn.Sequential:
    reach = settings.get("dilation", 1) * (kernel // 2)
    layer = nn.Conv2d(into, out, kernel, padding=reach, bias=False, **settings)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.ReLU())


class Modulated(nn.Module):
    """One encoder for two images; a third input scales and shifts its channels (FiLM)."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(convolution(3, 16), nn.Conv2d(16, 16, 3, 1, 1))
        self.film, self.head = nn.Linear(6, 32), nn.Linear(32, 3)

    def forward(self, one: Tensor, condition: Tensor, other: Tensor) -> Tensor:
        scale, shift = self.film(condition).chunk(2, 1)
        x = self.encoder(one) * (1 + scale[:, :, None, None]) + shift[..., None, None]
        y = self.encoder(other)
        return self.head(torch.cat([(x - y).abs().mean((2, 3)), (x * y).mean((2, 3))], 1))


class TwoHeads(nn.Module):
    """A shared stem, a mask and a class from it, by name."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 16, stride=2)
        self.mask = nn.Sequential(nn.ConvTranspose2d(16, 8, 4, 2, 1), nn.ReLU(), nn.Conv2d(8, 2, 1))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> dict[str, object]:
        x = self.stem(x)
        return {"mask": self.mask(x), "more": (self.head(x.mean((2, 3))), [x.sum(1)])}


class Mirrored(nn.Module):
    """An autoencoder whose decoder is its encoder's weights, transposed."""

    def __init__(self) -> None:
        super().__init__()
        self.wide, self.deep = (
            nn.Parameter(torch.randn(24, 16)), nn.Parameter(torch.randn(10, 24)),
        )  # fmt: skip
        self.shift = nn.Parameter(torch.zeros(24))

    def forward(self, x: Tensor) -> Tensor:
        code = F.linear(F.relu(F.linear(x, self.wide, self.shift)), self.deep).tanh()
        return F.linear(F.relu(F.linear(code, self.deep.t())), self.wide.t())


class Video(nn.Module):
    """Convolutions over space and time apart (R(2+1)D), and a residual."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.block = self.both(3, 8, 12), self.both(12, 20, 12)
        self.head = nn.Linear(12, 5)

    @staticmethod
    def both(into: int, middle: int, out: int) -> nn.Sequential:
        return nn.Sequential(
            nn.Conv3d(into, middle, (1, 3, 3), padding=(0, 1, 1)), nn.BatchNorm3d(middle),
            nn.ReLU(), nn.Conv3d(middle, out, (3, 1, 1), padding=(1, 0, 0)), nn.BatchNorm3d(out),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = F.relu(x + self.block(x))
        return self.head(F.adaptive_avg_pool3d(x, 1).flatten(1))


class Talking(nn.Module):
    """Attention whose heads talk before and after the softmax, scaled per channel (CaiT)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.norm = nn.Conv2d(3, 24, 4, 4), nn.LayerNorm(24)
        self.qkv, self.out = nn.Linear(24, 72), nn.Linear(24, 24)
        self.before, self.after = nn.Linear(4, 4), nn.Linear(4, 4)
        self.scale, self.head = nn.Parameter(torch.full((24,), 1e-4)), nn.Linear(24, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        batch, count, width = x.shape
        qkv = self.qkv(self.norm(x)).reshape(batch, count, 3, 4, 6).permute(2, 0, 3, 1, 4)
        heads = (qkv[0] * 6**-0.5) @ qkv[1].transpose(-2, -1)
        heads = self.before(heads.permute(0, 2, 3, 1)).permute(0, 3, 1, 2).softmax(-1)
        heads = self.after(heads.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)
        y = (heads @ qkv[2]).transpose(1, 2).reshape(batch, count, width)
        return self.head((x + self.scale * self.out(y)).mean(1))


class Pyramid(nn.Module):
    """Branches of several dilations and one of the whole image, side by side (ASPP)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 16, stride=2)
        self.near = nn.ModuleList(convolution(16, 8, dilation=by) for by in (1, 2, 3))
        self.whole = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Conv2d(16, 8, 1), nn.ReLU())
        self.out = nn.Sequential(convolution(32, 12, 1), nn.Conv2d(12, 3, 1))

    def forward(self, x: Tensor) -> Tensor:
        size, x = x.shape[-2:], self.stem(x)
        whole = F.interpolate(self.whole(x), size=x.shape[-2:], mode="bilinear")
        x = self.out(torch.cat([*(one(x) for one in self.near), whole], 1))
        return F.interpolate(x, size=size, mode="bilinear")


class Text(nn.Module):
    """Convolutions, columns as steps, recurrent layers both ways (CRNN)."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            convolution(1, 8), nn.MaxPool2d(2), convolution(8, 12), nn.MaxPool2d((2, 1))
        )
        self.lstm = nn.LSTM(48, 12, bidirectional=True, batch_first=True)
        self.gru, self.head = nn.GRU(24, 10, batch_first=True), nn.Linear(10, 11)

    def forward(self, x: Tensor) -> Tensor:
        x = self.features(x).permute(0, 3, 1, 2).flatten(2)
        return self.head(self.gru(self.lstm(x)[0])[0]).log_softmax(-1)


class Causal(nn.Module):
    """Padded on both sides and cut behind, with weights of norm and direction (TCN)."""

    def __init__(self) -> None:
        super().__init__()
        normed = nn.utils.parametrizations.weight_norm
        self.one = normed(nn.Conv1d(16, 20, 3, padding=2))
        self.two = normed(nn.Conv1d(20, 20, 3, padding=4, dilation=2))
        self.around, self.head = nn.Conv1d(16, 20, 1), nn.Linear(20, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = x.transpose(1, 2)
        y = self.one(x)[:, :, :-2].contiguous().relu()
        y = self.two(y)[:, :, :-4].contiguous().relu()
        return self.head((y + self.around(x)).relu()[:, :, -1])


class Mixer(nn.Module):
    """Linear layers over patches, then over channels (MLP-Mixer)."""

    def __init__(self) -> None:
        super().__init__()
        self.patch, self.one, self.two = nn.Conv2d(3, 24, 4, 4), nn.LayerNorm(24), nn.LayerNorm(24)
        self.places = nn.Sequential(nn.Linear(16, 20), nn.GELU(), nn.Linear(20, 16))
        self.channels = nn.Sequential(nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24))
        self.head = nn.Linear(24, 4)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).mT
        x = x + self.places(self.one(x).mT).mT
        return self.head((x + self.channels(self.two(x))).mean(1))


class Wave(nn.Module):
    """Dilated layers with gated activations, residuals and skips (WaveNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(16, 16, 1)
        self.gates = nn.ModuleList(nn.Conv1d(16, 32, 2, dilation=2**i) for i in range(3))
        self.onward = nn.ModuleList(nn.Conv1d(16, 16, 1) for _ in range(3))
        self.skips = nn.ModuleList(nn.Conv1d(16, 12, 1) for _ in range(3))
        self.out = nn.Sequential(nn.ReLU(), nn.Conv1d(12, 20, 1), nn.ReLU(), nn.Conv1d(20, 8, 1))

    def forward(self, x: Tensor) -> Tensor:
        x, together = self.stem(x.transpose(1, 2)), torch.zeros(())
        for gates, onward, skip in zip(self.gates, self.onward, self.skips, strict=True):
            a, b = gates(F.pad(x, (gates.dilation[0], 0))).split(16, 1)
            y = a.tanh() * b.sigmoid()
            together, x = together + skip(y), x + onward(y)
        return self.out(together)


class Conformer(nn.Module):
    """Half a feed-forward, then a gated, depthwise, normed convolution."""

    def __init__(self) -> None:
        super().__init__()
        self.into, self.norm = nn.Linear(16, 16), nn.LayerNorm(16)
        self.forward_half = nn.Sequential(
            nn.LayerNorm(16), nn.Linear(16, 40), nn.SiLU(), nn.Linear(40, 16)
        )
        self.gated, self.deep = nn.Conv1d(16, 32, 1), nn.Conv1d(16, 16, 5, padding=2, groups=16)
        self.batch, self.out = nn.BatchNorm1d(16), nn.Conv1d(16, 16, 1)
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x)
        x = x + 0.5 * self.forward_half(x)
        y = F.glu(self.gated(self.norm(x).transpose(1, 2)), dim=1)
        y = self.out(F.silu(self.batch(self.deep(y))))
        return self.head(x + y.transpose(1, 2))


class Styled(nn.Module):
    """A convolution modulated and demodulated by a style, then shifted by it (StyleGAN, AdaIN)."""

    def __init__(self) -> None:
        super().__init__()
        self.style = nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(3, 16))
        self.stem, self.affine = nn.Conv2d(3, 20, 3, padding=1), nn.Linear(16, 20)
        self.weight, self.adaptive = nn.Parameter(torch.randn(12, 20, 3, 3)), nn.Linear(16, 24)
        self.out = nn.Conv2d(12, 3, 1)

    def forward(self, x: Tensor) -> Tensor:
        style = self.style(x)
        scale = self.affine(style)
        spread = (self.weight * scale[:, None, :, None, None]).square().sum((2, 3, 4))
        x = F.conv2d(self.stem(x) * scale[:, :, None, None], self.weight, padding=1)
        x = x * torch.rsqrt(spread + 1e-8)[:, :, None, None]
        more, shift = self.adaptive(style).chunk(2, 1)
        x = F.instance_norm(x) * (1 + more[..., None, None]) + shift[..., None, None]
        return self.out(F.leaky_relu(x, 0.2))


class Exchanging(nn.Module):
    """Two resolutions side by side that exchange what they have (HRNet)."""

    def __init__(self) -> None:
        super().__init__()
        self.fine, self.coarse = convolution(3, 12), convolution(12, 20, stride=2)
        self.more_fine, self.more_coarse = convolution(12, 12), convolution(20, 20)
        self.up, self.down = nn.Conv2d(20, 12, 1), nn.Conv2d(12, 20, 3, 2, 1)
        self.out = nn.Conv2d(32, 4, 1)

    def forward(self, x: Tensor) -> Tensor:
        fine = self.fine(x)
        coarse = self.coarse(fine)
        fine, coarse = self.more_fine(fine) + fine, self.more_coarse(coarse) + coarse
        up = F.interpolate(self.up(coarse), size=fine.shape[2:], mode="nearest")
        fine, coarse = (fine + up).relu(), (coarse + self.down(fine)).relu()
        coarse = F.interpolate(coarse, size=fine.shape[2:], mode="bilinear")
        return self.out(torch.cat([fine, coarse], 1))


CASES = {
    "modulated": (Modulated, (IMAGE, (1, 6), IMAGE)),
    "two-heads": (TwoHeads, (IMAGE,)),
    "mirrored": (Mirrored, ((1, 16),)),
    "video": (Video, ((1, 3, 4, 8, 8),)),
    "talking": (Talking, (IMAGE,)),
    "pyramid": (Pyramid, (IMAGE,)),
    "text": (Text, ((1, 1, 16, 24),)),
    "causal": (Causal, (SEQUENCE,)),
    "mixer": (Mixer, (IMAGE,)),
    "wave": (Wave, (SEQUENCE,)),
    "conformer": (Conformer, (SEQUENCE,)),
    "styled": (Styled, (IMAGE,)),
    "exchanging": (Exchanging, (IMAGE,)),
}

# A direction of no length is no number; a shift per place reaches the channels that are gone.
LEAVING = ("causal", "mixer")


@pytest.mark.parametrize("name", CASES)
def test_pruned(name: str, journey) -> None:
    make, shapes = CASES[name]
    journey(make(), *map(torch.randn, shapes), leaves=name in LEAVING)


# What a runtime lacks, by the operator that it names.
REFUSALS = {"styled": {"tflite": "operator square"}}
EXPORTED = ("modulated", "two-heads", "mirrored", "video", "talking", "causal", "conformer")


@pytest.mark.slow
@pytest.mark.parametrize("name", [*EXPORTED, *REFUSALS])
def test_exported(name: str, journey, exported) -> None:
    make, shapes = CASES[name]
    made = journey(make(), *map(torch.randn, shapes), leaves=name in LEAVING)
    exported(made, refused=REFUSALS.get(name))
