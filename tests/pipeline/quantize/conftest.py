"""Small nets: one trained on digits for a few seconds and quantized, and random ones."""

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass

import pytest
import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.quantize import Quantized, quantize
from pipeline.recipe import Quantize


def convolution(entering: int, leaving: int, size: int = 3, stride: int = 1, groups: int = 1):
    return nn.Sequential(
        nn.Conv2d(entering, leaving, size, stride, size // 2, groups=groups, bias=False),
        nn.BatchNorm2d(leaving),
        nn.ReLU(),
    )


class Residual(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.first = convolution(width, width)
        self.second = nn.Sequential(nn.Conv2d(width, width, 3, padding=1), nn.BatchNorm2d(width))

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(x + self.second(self.first(x)))


class Separable(nn.Sequential):
    def __init__(self, width: int, stride: int = 1) -> None:
        super().__init__(
            convolution(width, width, stride=stride, groups=width), convolution(width, width, 1)
        )


class Branches(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.narrow = convolution(width, width // 2, 1)
        self.wide = convolution(width, width // 2, 3)

    def forward(self, x: Tensor) -> Tensor:
        return torch.cat([self.narrow(x), self.wide(x)], 1)


class Gate(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.squeeze = nn.Conv2d(width, width // 2, 1)
        self.excite = nn.Conv2d(width // 2, width, 1)

    def forward(self, x: Tensor) -> Tensor:
        mean = x.mean((2, 3), keepdim=True)
        return x * torch.sigmoid(self.excite(torch.relu(self.squeeze(mean))))


class Halves(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = convolution(width // 2, width // 2)

    def forward(self, x: Tensor) -> Tensor:
        kept, changed = x.chunk(2, 1)
        return torch.cat([kept, self.inner(changed)], 1)


class Swish(nn.Module):
    def __init__(self, width: int) -> None:
        super().__init__()
        self.inner = nn.Sequential(nn.Conv2d(width, width, 1), nn.Hardswish())

    def forward(self, x: Tensor) -> Tensor:
        return self.inner(x)


class Digits(nn.Module):
    """Strided and depthwise convolutions, a residual, a concat, pooling and a linear layer."""

    def __init__(self) -> None:
        super().__init__()
        self.body = nn.Sequential(
            convolution(1, 16, stride=2),
            Residual(16),
            Separable(16, stride=2),
            Branches(16),
            nn.MaxPool2d(2),
            convolution(16, 32),
            nn.AdaptiveAvgPool2d(1),
            nn.Flatten(),
            nn.Dropout(0.1),
            nn.Linear(32, 10),
        )

    def forward(self, x: Tensor) -> Tensor:
        return self.body(x)


BLOCKS: tuple[Callable[[int], nn.Module], ...] = (
    Residual,
    Separable,
    Branches,
    Gate,
    Halves,
    Swish,
    lambda width: nn.AvgPool2d(2),
    lambda width: nn.Upsample(scale_factor=2),
)


def drawn(seed: int) -> nn.Module:
    """A net of four blocks drawn by the seed, in evaluation mode, with batch statistics."""
    torch.manual_seed(seed)
    draw = random.Random(seed)
    width = draw.choice([8, 12, 16])
    blocks = [draw.choice(BLOCKS)(width) for _ in range(4)]
    head = [nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(width, 6)]
    net = nn.Sequential(convolution(3, width, stride=2), *blocks, *head)
    with torch.no_grad():
        net.train()(torch.randn(16, 3, 16, 16))
    return net.eval()


@pytest.fixture(scope="session")
def random_net() -> Callable[[int], nn.Module]:
    return drawn


@dataclass(frozen=True)
class Trained:
    graph: Graph
    quantized: Quantized
    images: Tensor
    labels: Tensor
    calibration: tuple[Tensor, ...]


@pytest.fixture(scope="session")
def digits() -> Iterator[Trained]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    data = load_digits()
    images = F.interpolate(torch.tensor(data.images, dtype=torch.float32)[:, None] / 16, size=32)
    labels = torch.tensor(data.target)
    net = train(images[:1200], labels[:1200])
    graph = trace(net, (images[:1],))
    calibration = images[:256].split(64)
    quantized = quantize(graph, [(batch,) for batch in calibration], Quantize())
    yield Trained(graph, quantized, images[1200:], labels[1200:], calibration)
    torch.set_num_threads(threads)


def train(images: Tensor, labels: Tensor) -> torch.nn.Module:
    torch.manual_seed(0)
    net = Digits()
    optimizer = torch.optim.AdamW(net.parameters(), 1e-2)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 1e-2, total_steps=6 * 19)
    for _ in range(6):
        for batch in torch.randperm(len(images)).split(64):
            optimizer.zero_grad()
            F.cross_entropy(net(images[batch]), labels[batch]).backward()
            optimizer.step()
            schedule.step()
    return net.eval()
