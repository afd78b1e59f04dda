"""Folding batch norms: the same function, the same names, a bias for every weight."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.graph import trace
from pipeline.quantize import quantize
from pipeline.quantize.fold import bias_of, fold, weighted
from pipeline.recipe import Quantize

aten = torch.ops.aten


def test_a_folded_graph_computes_the_same(digits) -> None:
    folded = fold(digits.graph)
    assert not [node for node in folded.module.graph.nodes if "batch_norm" in str(node.target)]
    with torch.no_grad():
        expected = digits.graph.module(digits.images[:20])
        # float32 rounds each weight once more, in nine layers: 9 * 2^-24, with room for growth.
        torch.testing.assert_close(
            folded.module(digits.images[:20]),
            expected,
            rtol=0,
            atol=1e-5 * float(expected.abs().max()),
        )


def test_folding_twice_changes_nothing(digits) -> None:
    once = fold(digits.graph)
    twice = fold(once)
    assert twice.module.code == once.module.code
    before, after = once.module.state_dict(), twice.module.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(one, after[name]) for name, one in before.items())


def test_each_use_of_a_shared_weight_has_its_own_bias() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.both(torch.relu(self.both(x)))

    folded = fold(trace(Twice(), (torch.zeros(1, 4, 8, 8),)))
    assert [bias_of(node) for node in weighted(folded.module)] == [
        "both.weight_bias",
        "both.weight_bias_again",
    ]


def test_a_weight_that_is_no_parameter_is_quantized_too() -> None:
    class Blurred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", torch.full((3, 1, 3, 3), 1 / 9))
            self.head = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(functional.conv2d(x, self.kernel, padding=1, groups=3))

    torch.manual_seed(0)
    images = torch.rand(8, 3, 8, 8)
    plan = quantize(trace(Blurred(), (images[:1],)), [(images,)], Quantize()).plan
    assert {entry.weight for entry in plan.weights} == {"kernel", "head.weight"}
    assert plan.floats == ()


class Skipping(nn.Module):
    """A convolution whose value is also read before it is normalised (He et al. 2016b)."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm, self.after = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8), nn.Conv2d(8, 8, 1)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        return x + self.after(torch.relu(self.norm(x)))


class OneWeightTwoNorms(nn.Module):
    """One convolution on two inputs, each normalised by its own statistics (Lin et al. 2017)."""

    def __init__(self) -> None:
        super().__init__()
        self.head = nn.Conv2d(3, 8, 3)
        self.near, self.far = nn.BatchNorm2d(8), nn.BatchNorm2d(8)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.near(self.head(x))) + torch.relu(self.far(self.head(2 * x)))


class Towers(nn.Module):
    """One encoder on two inputs: its weight and its norm are read twice."""

    def __init__(self) -> None:
        super().__init__()
        self.encoder = nn.Sequential(nn.Conv2d(3, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.encoder(x) * self.encoder(x.flip(2))


class SharedWithoutNorm(nn.Module):
    """A weight that a convolution without a norm reads, too."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 3, 1), nn.BatchNorm2d(3)

    def forward(self, x: Tensor) -> Tensor:
        return self.conv(torch.relu(self.norm(self.conv(x))))


class WeightNorm(nn.Module):
    """A weight that is computed: there is nothing stored to fold into."""

    def __init__(self) -> None:
        super().__init__()
        conv = nn.utils.parametrizations.weight_norm(nn.Conv2d(3, 8, 3))
        self.net = nn.Sequential(conv, nn.BatchNorm2d(8), nn.ReLU(), nn.Conv2d(8, 4, 1))

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class GroupsTurned(nn.Module):
    """A transposed convolution in groups."""

    def __init__(self) -> None:
        super().__init__()
        turned = nn.ConvTranspose2d(4, 8, 2, 2, groups=2)
        self.net = nn.Sequential(nn.Conv2d(3, 4, 1), turned, nn.BatchNorm2d(8), nn.ReLU())

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)


class OwnStatistics(nn.Module):
    """A norm by the batch's own statistics is no constant."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm = nn.Conv2d(3, 8, 3), nn.BatchNorm2d(8, track_running_stats=False)

    def forward(self, x: Tensor) -> Tensor:
        return torch.relu(self.norm(self.conv(x)))


@pytest.mark.parametrize(
    ("net", "left"),
    [
        (Skipping, 1),
        (OneWeightTwoNorms, 2),
        (Towers, 0),
        (SharedWithoutNorm, 1),
        (WeightNorm, 1),
        (GroupsTurned, 1),
        (OwnStatistics, 1),
    ],
)
def test_a_norm_is_folded_only_where_nobody_else_sees_it(net: type[nn.Module], left: int) -> None:
    torch.manual_seed(0)
    module = net()
    for norm in (one for one in module.modules() if isinstance(one, nn.BatchNorm2d)):
        for one in (norm.weight, norm.running_var):
            if one is not None:
                nn.init.uniform_(one, 0.5, 2.0)
        for one in (norm.bias, norm.running_mean):
            if one is not None:
                nn.init.normal_(one)
    images = torch.randn(4, 3, 8, 8)
    graph = trace(module.eval(), (images[:1],))
    folded = fold(graph).module
    norms = [node for node in folded.graph.nodes if "batch_norm" in str(node.target)]
    assert len(norms) == left
    with torch.no_grad():
        expected = graph.module(images)
        torch.testing.assert_close(folded(images), expected, rtol=1e-4, atol=1e-4)
        rounded = quantize(graph, [(images,)], Quantize()).unfolded(images)
    noise = (rounded - expected).square().mean() / expected.square().mean()
    assert noise < 1e-2  # 20 dB: a wrong fold leaves less than 20
