"""Nets that concatenate, split, upsample: dense connections, branches, skips, necks; and plain ones
that flatten, normalise by group or instance, or run over time."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

IMAGE = (1, 3, 16, 16)


def convolution(into: int, out: int, kernel: int = 3, stride: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(into, out, kernel, stride, kernel // 2, bias=False)
    return nn.Sequential(layer, nn.BatchNorm2d(out), nn.SiLU())


def classifier(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 5))


class DenseLayer(nn.Module):
    """Norm first, then a bottleneck; what it makes is put behind what it reads."""

    def __init__(self, into: int, growth: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.BatchNorm2d(into), nn.ReLU(), nn.Conv2d(into, 2 * growth, 1),
            nn.BatchNorm2d(2 * growth), nn.ReLU(), nn.Conv2d(2 * growth, growth, 3, 1, 1),
        )  # fmt: skip

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([x, self.body(x)], 1)


def densenet() -> nn.Module:
    return nn.Sequential(
        nn.Conv2d(3, 8, 3, 1, 1), *(DenseLayer(8 + 6 * i, 6) for i in range(3)),
        nn.BatchNorm2d(26), nn.Conv2d(26, 12, 1), nn.AvgPool2d(2),
        *(DenseLayer(12 + 6 * i, 6) for i in range(2)), nn.BatchNorm2d(24), classifier(24),
    )  # fmt: skip


class Inception(nn.Module):
    """Branches of several kernels side by side."""

    def __init__(self, into: int) -> None:
        super().__init__()
        self.one = convolution(into, 8, 1)
        self.three = nn.Sequential(convolution(into, 6, 1), convolution(6, 10))
        self.five = nn.Sequential(convolution(into, 6, 1), convolution(6, 8, 5))
        self.pool = nn.Sequential(nn.MaxPool2d(3, 1, 1), convolution(into, 6, 1))

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.one(x), self.three(x), self.five(x), self.pool(x)], 1)


class Fire(nn.Module):
    """SqueezeNet: squeeze, then expand two ways."""

    def __init__(self, into: int, narrow: int, wide: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(into, narrow, 1)
        self.one, self.three = nn.Conv2d(narrow, wide, 1), nn.Conv2d(narrow, wide, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        x = F.relu(self.squeeze(x))
        return torch.cat([F.relu(self.one(x)), F.relu(self.three(x))], 1)


class UNet(nn.Module):
    """Down, up again with transposed convolutions, skips by concat."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two, self.deep = (
            convolution(3, 8), convolution(8, 16), convolution(16, 24),
        )  # fmt: skip
        self.up2, self.up1 = nn.ConvTranspose2d(24, 16, 2, 2), nn.ConvTranspose2d(16, 8, 2, 2)
        self.in2, self.in1 = convolution(32, 16), convolution(16, 8)
        self.out = nn.Conv2d(8, 2, 1)

    def forward(self, x: Tensor) -> Tensor:
        one = self.one(x)
        two = self.two(F.max_pool2d(one, 2))
        x = self.up2(self.deep(F.max_pool2d(two, 2)))
        x = self.up1(self.in2(torch.cat([two, x], 1)))
        return self.out(self.in1(torch.cat([one, x], 1)))


class C2f(nn.Module):
    """Split in two, bottlenecks on the last part, everything concatenated (YOLOv8)."""

    def __init__(self, into: int, out: int) -> None:
        super().__init__()
        self.first, self.last = convolution(into, out, 1), convolution(2 * out, out, 1)
        half = out // 2
        self.blocks = nn.ModuleList(
            nn.Sequential(convolution(half, half), convolution(half, half)) for _ in range(2)
        )

    def forward(self, x: Tensor) -> Tensor:
        parts = list(self.first(x).chunk(2, 1))
        for block in self.blocks:
            parts.append(parts[-1] + block(parts[-1]))
        return self.last(torch.cat(parts, 1))


class Detector(nn.Module):
    """A backbone of C2f blocks, pooling of several sizes, a top-down neck, heads of two scales."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.low = convolution(3, 8, stride=2), C2f(8, 16)
        self.down, self.high = convolution(16, 24, stride=2), C2f(24, 24)
        self.pooled, self.lateral = convolution(72, 24, 1), nn.Conv2d(16, 24, 1)
        self.neck = C2f(48, 16)
        self.boxes = nn.ModuleList([nn.Conv2d(16, 6, 1), nn.Conv2d(24, 6, 1)])

    def forward(self, x: Tensor) -> tuple[Tensor, Tensor]:
        low = self.low(self.stem(x))
        high = self.high(self.down(low))
        once = F.max_pool2d(high, 3, 1, 1)
        high = self.pooled(torch.cat([high, once, F.max_pool2d(once, 3, 1, 1)], 1))
        top = F.interpolate(high, scale_factor=2.0, mode="nearest")
        fine = self.neck(torch.cat([top, self.lateral(low)], 1))
        scales = [box(y) for box, y in zip(self.boxes, (fine, high), strict=True)]
        together = torch.cat([scale.flatten(2) for scale in scales], 2)
        boxes, classes = together.split([4, 2], 1)
        return boxes, classes.sigmoid()


class SuperResolution(nn.Module):
    """Residual features, upsampled by pixel shuffle and added to the enlarged image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, padding=1)
        self.body = nn.Sequential(
            nn.Conv2d(16, 16, 3, padding=1), nn.PReLU(16), nn.Conv2d(16, 16, 3, padding=1)
        )
        self.up = nn.Sequential(nn.Conv2d(16, 48, 3, padding=1), nn.PixelShuffle(2))
        self.out = nn.Conv2d(12, 3, 3, padding=1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.stem(x)
        y = y + self.body(y)
        return self.out(self.up(y)) + F.interpolate(x, scale_factor=2, mode="nearest")


class Temporal(nn.Module):
    """Causal dilated convolutions with residuals (TCN); padding is cut off at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv1d(4, 16, 1)
        self.layers = nn.ModuleList(nn.Conv1d(16, 16, 3, dilation=2**i) for i in range(3))
        self.mixing = nn.ModuleList(nn.Conv1d(16, 16, 1) for _ in range(3))
        self.head = nn.Linear(16, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for layer, mixing in zip(self.layers, self.mixing, strict=True):
            padded = F.pad(x, (2 * layer.dilation[0], 0))
            x = x + mixing(F.relu(layer(padded)))
        return self.head(x[:, :, -1])


def separable(width: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(width, width, 3, 1, 1, groups=width), nn.BatchNorm2d(width), nn.ReLU(),
        nn.Conv2d(width, width, 1), nn.BatchNorm2d(width), nn.ReLU(),
    )  # fmt: skip


def normalised(norm: type, *before: int) -> nn.Module:
    def layer(into: int, out: int) -> list[nn.Module]:
        return [nn.Conv2d(into, out, 3, 2, 1), norm(*before, out, affine=True), nn.PReLU(out)]

    return nn.Sequential(*layer(3, 24), *layer(24, 32), classifier(32))


NETS = {
    "vgg": lambda: nn.Sequential(
        convolution(3, 8), convolution(8, 8), nn.MaxPool2d(2), convolution(8, 16), nn.MaxPool2d(2),
        nn.Flatten(), nn.Linear(256, 32), nn.ReLU(), nn.Dropout(), nn.Linear(32, 5),
    ),
    "densenet": densenet,
    "inception": lambda: nn.Sequential(
        convolution(3, 8), Inception(8), Inception(32), classifier(32)
    ),
    "squeezenet": lambda: nn.Sequential(
        nn.Conv2d(3, 12, 3, 2), nn.ReLU(), Fire(12, 6, 8), Fire(16, 6, 10), nn.Conv2d(20, 5, 1),
        nn.AdaptiveAvgPool2d(1), nn.Flatten(),
    ),
    "unet": UNet,
    "detector": Detector,
    "super-resolution": SuperResolution,
    "prelu": lambda: nn.Sequential(
        nn.Conv2d(3, 12, 3), nn.PReLU(12), nn.Conv2d(12, 16, 3), nn.PReLU(), classifier(16)
    ),
    "group-norm": lambda: normalised(nn.GroupNorm, 4),
    "instance-norm": lambda: normalised(nn.InstanceNorm2d),
}  # fmt: skip
SIGNALS = {
    "temporal": (Temporal, (1, 4, 24)),
    "ds-cnn": (
        lambda: nn.Sequential(
            nn.Conv2d(1, 16, (6, 4), 2, (2, 1)), nn.BatchNorm2d(16), nn.ReLU(), separable(16),
            separable(16), nn.Dropout(0.2), nn.AvgPool2d((10, 5)), nn.Flatten(), nn.Linear(16, 5),
        ),
        (1, 1, 20, 10),
    ),
    "autoencoder": (
        lambda: nn.Sequential(
            nn.Linear(40, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 8), nn.ReLU(),
            nn.Linear(8, 32), nn.BatchNorm1d(32), nn.ReLU(), nn.Linear(32, 40),
        ),
        (1, 40),
    ),
    "volume": (
        lambda: nn.Sequential(
            nn.Conv3d(1, 8, 3, 1, 1), nn.BatchNorm3d(8), nn.ReLU(), nn.MaxPool3d(2),
            nn.Conv3d(8, 12, 3, 1, 1), nn.ReLU(), nn.ConvTranspose3d(12, 6, 2, 2),
            nn.Conv3d(6, 2, 1),
        ),
        (1, 1, 6, 6, 6),
    ),
}  # fmt: skip
CASES = {name: (make, IMAGE) for name, make in NETS.items()} | SIGNALS


@pytest.mark.parametrize("name", CASES)
def test_pruned(name: str, journey) -> None:
    make, shape = CASES[name]
    journey(make(), torch.randn(shape))


# What a runtime lacks, by the operator that it names.
REFUSALS = {"volume": {"tflite": "STABLEHLO_CONVOLUTION"}}


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_exported(name: str, journey, exported) -> None:
    make, shape = CASES[name]
    exported(journey(make(), torch.randn(shape)), refused=REFUSALS.get(name))
