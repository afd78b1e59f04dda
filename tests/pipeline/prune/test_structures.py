"""Small nets of the structures that convolutional models are made of."""

import copy

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.prune import apply, plan
from pipeline.prune.repair import repair

IMAGE = (1, 3, 8, 8)


def norm(channels: int) -> nn.Module:
    return nn.BatchNorm2d(channels)


def convolution(into: int, out: int, stride: int = 1, groups: int = 1) -> nn.Sequential:
    layer = nn.Conv2d(into, out, 3, stride, 1, groups=groups, bias=False)
    return nn.Sequential(layer, norm(out), nn.ReLU(inplace=True))


class Residual(nn.Module):
    """A block with an identity, projection or padding shortcut."""

    def __init__(self, into: int, out: int, shortcut: str) -> None:
        super().__init__()
        stride = 1 if shortcut == "identity" else 2
        self.body = nn.Sequential(convolution(into, out, stride), nn.Conv2d(out, out, 3, 1, 1))
        self.projection = nn.Conv2d(into, out, 1, stride) if shortcut == "projection" else None
        self.padding = (out - into) // 2 if shortcut == "padding" else 0

    def forward(self, x: Tensor) -> Tensor:
        y = self.body(x)
        if self.projection is not None:
            x = self.projection(x)
        elif self.padding:
            x = F.pad(x[:, :, ::2, ::2], (0, 0, 0, 0, self.padding, self.padding))
        return F.relu(x + y)


def classifier(channels: int, pixels: int = 1) -> nn.Sequential:
    pool = nn.AdaptiveAvgPool2d(1) if pixels == 1 else nn.Identity()
    return nn.Sequential(pool, nn.Flatten(), nn.Linear(channels * pixels, 7))


class Concat(nn.Module):
    """Dense connections: every layer reads all that came before."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = convolution(3, 8)
        self.one = convolution(8, 12)
        self.two = convolution(20, 10)
        self.head = classifier(30)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = torch.cat([x, self.one(x)], 1)
        x = torch.cat([x, self.two(x)], 1)
        return self.head(x)


class Squeeze(nn.Module):
    """Squeeze and excitation."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 16), classifier(16)
        self.gate = nn.Sequential(nn.Conv2d(16, 8, 1), nn.SiLU(), nn.Conv2d(8, 16, 1), nn.Sigmoid())

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return self.head(x * self.gate(x.mean((2, 3), keepdim=True)))


class Shuffled(nn.Module):
    """Grouped convolutions with a channel shuffle between them."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 24), classifier(24)
        self.one, self.two = convolution(24, 24, groups=3), convolution(24, 24, groups=3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(self.stem(x))
        b, c, h, w = x.shape
        x = x.view(b, 3, c // 3, h, w).transpose(1, 2).reshape(b, c, h, w)
        return self.head(self.two(x))


class Tied(nn.Module):
    """One convolution used twice."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.twice, self.head = convolution(3, 12), convolution(12, 12), classifier(12)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.twice(self.twice(self.stem(x))))


class Standardised(nn.Module):
    """A convolution whose weight is computed."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 12), classifier(16)
        self.weight = nn.Parameter(torch.randn(16, 12, 3, 3))
        self.gain = nn.Parameter(torch.randn(16, 1, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        mean = self.weight.mean((1, 2, 3), keepdim=True)
        deviation = self.weight.std((1, 2, 3), keepdim=True)
        weight = self.gain * (self.weight - mean) / (deviation + 0.1)
        return self.head(F.conv2d(self.stem(x), weight))


class Positions(nn.Module):
    """A learned position added, and a scale per channel."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = convolution(3, 12), classifier(12)
        self.position = nn.Parameter(torch.randn(1, 12, 8, 8))
        self.scale = nn.Parameter(torch.randn(12, 1, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.head((self.stem(x) + self.position) * self.scale)


class UNet(nn.Module):
    """Down, up again with a transposed convolution, and a skip connection by concat."""

    def __init__(self) -> None:
        super().__init__()
        self.down, self.deep = convolution(3, 8), convolution(8, 16, 2)
        self.up = nn.ConvTranspose2d(16, 10, 2, 2)
        self.out = nn.Sequential(convolution(18, 8), nn.Conv2d(8, 2, 1))

    def forward(self, x: Tensor) -> Tensor:
        x = self.down(x)
        return self.out(torch.cat([self.up(self.deep(x)), x], 1))


NETS: dict[str, nn.Module] = {
    "identity shortcut": nn.Sequential(
        convolution(3, 8), Residual(8, 8, "identity"), Residual(8, 8, "identity"), classifier(8)
    ),
    "projection shortcut": nn.Sequential(
        convolution(3, 8), Residual(8, 16, "projection"), classifier(16)
    ),
    "padding shortcut": nn.Sequential(
        convolution(3, 8), Residual(8, 18, "padding"), Residual(18, 18, "identity"), classifier(18)
    ),
    "depthwise": nn.Sequential(
        convolution(3, 12), convolution(12, 12, groups=12), convolution(12, 8), classifier(8)
    ),
    "depthwise with a multiplier": nn.Sequential(
        convolution(3, 12), convolution(12, 24, groups=12), convolution(24, 8), classifier(8)
    ),
    "grouped": nn.Sequential(
        convolution(3, 12), convolution(12, 24, groups=2), convolution(24, 8), classifier(8)
    ),
    "shuffled": Shuffled(),
    "concat": Concat(),
    "flatten into linear": nn.Sequential(
        convolution(3, 8, 2), nn.MaxPool2d(2), classifier(8, 4), nn.ReLU(), nn.Linear(7, 2)
    ),
    "squeeze and excitation": Squeeze(),
    "tied": Tied(),
    "standardised weight": Standardised(),
    "positions": Positions(),
    "skip connection": UNet(),
    "pixel shuffle": nn.Sequential(
        convolution(3, 24), nn.PixelShuffle(2), convolution(6, 8), classifier(8)
    ),
    "group norm": nn.Sequential(
        nn.Conv2d(3, 24, 3), nn.GroupNorm(3, 24), nn.ReLU(), nn.Conv2d(24, 8, 1), classifier(8)
    ),
    "group norm by channel": nn.Sequential(
        nn.Conv2d(3, 24, 3), nn.GroupNorm(24, 24), nn.ReLU(), nn.Conv2d(24, 8, 1), classifier(8)
    ),
    "instance norm": nn.Sequential(
        nn.Conv2d(3, 8, 3), nn.InstanceNorm2d(8, affine=True), nn.PReLU(8), classifier(8)
    ),
    "channels last": nn.Sequential(
        nn.Conv2d(3, 16, 1), nn.Flatten(2), nn.Unflatten(2, (8, 8)), classifier(16)
    ),
    "one slope": nn.Sequential(convolution(3, 8), nn.PReLU(), classifier(8)),
    "transposed, grouped": nn.Sequential(
        convolution(3, 12), nn.ConvTranspose2d(12, 18, 2, 2, groups=3), classifier(18)
    ),
    "transposed, depthwise": nn.Sequential(
        convolution(3, 12), nn.ConvTranspose2d(12, 12, 2, 2, groups=12), classifier(12)
    ),
    "weight norm": nn.Sequential(
        nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 12, 3)), nn.ReLU(), classifier(12)
    ),
    "bottleneck of linears": nn.Sequential(
        nn.Flatten(), nn.Linear(192, 24), nn.LayerNorm(24), nn.GELU(), nn.Linear(24, 5)
    ),
    "dilated and padded": nn.Sequential(
        nn.Conv2d(3, 8, 3, padding="same", dilation=2, padding_mode="reflect"), classifier(8)
    ),
}


@pytest.mark.parametrize("name", NETS)
def test_pruned_as_a_whole(name: str, prove) -> None:
    half = prove(copy.deepcopy(NETS[name]), torch.randn(IMAGE))
    assert not [p for p in half.pinned if "rule" in p.reason]
    assert any(group.removed for group in half.groups)
    assert half.parameters_kept < 0.8 * half.parameters_dense


def test_one_dimension(prove) -> None:
    net = nn.Sequential(
        nn.Conv1d(2, 12, 5, 2), nn.BatchNorm1d(12), nn.ReLU(), nn.MaxPool1d(2),
        nn.Conv1d(12, 12, 3, groups=12), nn.Conv1d(12, 8, 1), nn.AdaptiveAvgPool1d(1),
        nn.Flatten(), nn.Linear(8, 3),
    )  # fmt: skip
    half = prove(net, torch.randn(1, 2, 40))
    assert [group.kept for group in half.groups] == [6, 4]


def test_three_dimensions(prove) -> None:
    net = nn.Sequential(
        nn.Conv3d(1, 8, 3), nn.BatchNorm3d(8), nn.ReLU(), nn.MaxPool3d(2), nn.Conv3d(8, 6, 1),
        nn.AdaptiveAvgPool3d(1), nn.Flatten(), nn.Linear(6, 3),
    )  # fmt: skip
    half = prove(net, torch.randn(1, 1, 6, 6, 6))
    assert [group.kept for group in half.groups] == [4, 3]


class Gated(nn.Module):
    """Places mixed by a convolution whose channels they are, with a kernel of one (gMLP)."""

    def __init__(self, kernel: int = 1) -> None:
        super().__init__()
        self.up, self.down, self.head = nn.Linear(24, 64), nn.Linear(32, 24), nn.Linear(24, 3)
        self.places = nn.Conv1d(10, 10, kernel, padding=kernel // 2)

    def forward(self, x: Tensor) -> Tensor:
        one, other = self.up(x).chunk(2, -1)
        return self.head(self.down(one * self.places(other)))


def test_a_kernel_of_one_moves_nothing_in_space(prove) -> None:
    """A channel that goes there goes at every place; a wider kernel looks at its neighbours."""
    free, pinned = (prove(Gated(kernel), torch.randn(1, 10, 24)) for kernel in (1, 3))
    assert {g.name: g.kept for g in free.groups} == {"up.weight[0]": 16, "down.weight[0]": 12}
    assert {g.name: g.kept for g in pinned.groups} == {"down.weight[0]": 12}


def test_repair_where_a_kernel_of_one_passes_channels_on() -> None:
    torch.manual_seed(0)
    graph = trace(Gated(), (torch.randn(1, 10, 24),))
    chosen, inputs = plan(graph, ratio=0.5), [(torch.randn(32, 10, 24),)]
    small = apply(graph, chosen)
    mended = repair(graph, small, chosen, inputs)
    with torch.no_grad():
        dense, raw, good = (one.module(*inputs[0]) for one in (graph, small, mended))
    assert (good - dense).norm() < (raw - dense).norm()


class TwoInputs(nn.Module):
    """Two inputs and two outputs; the second input is merged late."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.other, self.head = convolution(3, 8), nn.Linear(5, 8), nn.Linear(8, 4)

    def forward(self, x: Tensor, y: Tensor) -> tuple[Tensor, Tensor]:
        z = self.stem(x).mean((2, 3)) + self.other(y)
        return self.head(z), z.relu().sum(1)


def test_two_inputs_and_outputs(prove) -> None:
    half = prove(TwoInputs(), torch.randn(IMAGE), torch.randn(1, 5))
    assert [group.kept for group in half.groups] == [4]
    assert {found.name for found in half.pinned} >= {"head.weight[0]", "other.weight[1]"}
