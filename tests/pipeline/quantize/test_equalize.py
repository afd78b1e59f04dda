"""Equalization: like ranges, the same outputs, and nothing where it would not be exact."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.quantize.decide import decide
from pipeline.quantize.equalize import equalize
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from pipeline.quantize.replica import replica
from pipeline.quantize.sensitivity import sqnr_db

SETTINGS = Settings(scheme="int8", mode="ptq")
# float32 rounds each weight and bias once more: 2^-24 of each, added up over some ten layers.
CLOSE = {"rtol": 0, "atol": 1e-5}


def rescaled(net: nn.Module, pairs: list[tuple[str, str]], factor: float) -> nn.Module:
    """Multiplies the channels that a layer gives by up to `factor`, and undoes it behind."""
    for seed, (makes, reads) in enumerate(pairs):
        generator = torch.Generator().manual_seed(seed)
        first, second = net.get_submodule(makes), net.get_submodule(reads)
        factors = factor ** torch.rand(len(first.weight), generator=generator)
        with torch.no_grad():
            first.weight.mul_(factors.reshape(-1, *[1] * (first.weight.dim() - 1)))
            first.bias.mul_(factors)
            repeated = factors.repeat_interleave(second.weight.shape[1] // len(factors))
            second.weight.div_(repeated.reshape(1, -1, *[1] * (second.weight.dim() - 2)))
    return net


class Streams(nn.Module):
    """A residual stream, a depthwise convolution, pooling and a flattened image."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 8, 3, padding=1)
        self.branch = nn.Conv2d(8, 8, 1)
        self.apart = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.grouped = nn.Conv2d(8, 12, 1, groups=4)
        self.head = nn.Linear(12 * 16, 5)
        for name, bias in self.named_parameters():
            if name.endswith("bias"):
                nn.init.ones_(bias)  # no channel is dead

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        x = torch.relu(x + self.branch(torch.relu(self.inner(x))))
        x = torch.relu(self.apart(x))
        x = torch.max_pool2d(torch.relu(self.grouped(x)), 2)
        return self.head(x.flatten(1))


PAIRS = [("inner", "branch"), ("grouped", "head")]


@pytest.fixture
def inputs() -> Tensor:
    torch.manual_seed(0)
    return torch.randn(32, 3, 8, 8)


def test_outputs_stay_and_ranges_become_alike(inputs: Tensor) -> None:
    graph = trace(rescaled(Streams(), PAIRS, 100), (inputs[:1],))
    done = equalize(graph, [(inputs,)])
    with torch.no_grad():
        expected = graph.module(inputs)
        torch.testing.assert_close(
            done.graph.module(inputs) / expected.abs().max(),
            expected / expected.abs().max(),
            **CLOSE,
        )
    assert done.declined == (("linear", "output 'output' reads them"),)
    assert {name for name, _, _ in done.changed} == {"conv2d", "conv2d_1", "conv2d_3", "conv2d_4"}
    # What is left is the square root of the original's own unlikeness.
    assert all(after <= before * 1.01 for _, before, after in done.changed)


def test_a_rescaled_net_becomes_what_the_net_becomes(inputs: Tensor) -> None:
    plain, hostile = Streams(), Streams()
    hostile.load_state_dict(plain.state_dict())
    rescaled(hostile, PAIRS, 100)
    first, second = (
        equalize(trace(net, (inputs[:1],)), [(inputs,)]).graph.module.state_dict()
        for net in (plain, hostile)
    )
    for name, weight in first.items():
        if name.endswith("weight"):  # alike but for one factor on each stream of channels
            ratios = second[name] / weight
            torch.testing.assert_close(
                ratios, torch.full_like(ratios, ratios.mean()), rtol=1e-3, atol=0
            )


def test_rescaling_costs_many_decibels_and_equalizing_regains_them(inputs: Tensor) -> None:
    plain, hostile = Streams(), Streams()
    hostile.load_state_dict(plain.state_dict())
    rescaled(hostile, PAIRS, 100)
    found = {}
    for name, net in (("plain", plain), ("hostile", hostile)):
        graph = trace(net, (inputs[:1],))
        found[name] = sqnr_db(graph, decide(observe(graph, [(inputs,)]), SETTINGS), [(inputs,)])
    graph = equalize(trace(hostile, (inputs[:1],)), [(inputs,)]).graph
    after = sqnr_db(graph, decide(observe(graph, [(inputs,)]), SETTINGS), [(inputs,)])
    assert found["hostile"] < found["plain"] - 6
    assert after > found["plain"] - 1


@pytest.mark.parametrize(
    ("between", "reason"),
    [(nn.ReLU6(), "hardtanh"), (nn.Hardswish(), "hardswish"), (nn.Sigmoid(), "sigmoid")],
)
def test_what_a_factor_cannot_go_through_is_left_alone(
    between: nn.Module, reason: str, inputs: Tensor
) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), between, nn.Conv2d(4, 2, 3))
    done = equalize(trace(net, (inputs[:1],)), [(inputs,)])
    assert done.changed == ()
    assert done.error == 0
    assert reason in dict(done.declined)["conv2d"]


def test_a_shared_weight_is_left_alone(inputs: Tensor) -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.stem = nn.Conv2d(3, 4, 1)
            self.both = nn.Conv2d(4, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.both(torch.relu(self.both(torch.relu(self.stem(x)))))

    done = equalize(trace(Twice(), (inputs[:1],)), [(inputs,)])
    assert done.changed == ()
    assert "shares its weight" in dict(done.declined)["conv2d"]


def test_a_dead_channel_does_no_harm(inputs: Tensor) -> None:
    net = nn.Sequential(nn.Conv2d(3, 4, 3), nn.ReLU(), nn.Conv2d(4, 2, 3))
    with torch.no_grad():
        net[0].weight[1] = 0
        net[0].bias[1] = -1
        net[2].weight[:, 2] = 0
    done = equalize(trace(net, (inputs[:1],)), [(inputs,)])
    assert all(torch.isfinite(one).all() for one in done.graph.module.state_dict().values())
    assert len(done.changed) == 1


def test_tokens_have_their_channels_last() -> None:
    torch.manual_seed(0)
    net = nn.Sequential(nn.Linear(6, 8), nn.ReLU(), nn.Linear(8, 4))
    rescaled(net, [("0", "2")], 50)
    tokens = torch.randn(16, 5, 6)
    graph = trace(net, (tokens[:1],))
    done = equalize(graph, [(tokens,)])
    assert [name for name, _, _ in done.changed] == ["linear"]
    with torch.no_grad():
        torch.testing.assert_close(done.graph.module(tokens), graph.module(tokens), **CLOSE)


def test_the_replica_of_an_equalized_net_fits_its_plan(digits) -> None:
    calibration = [(batch,) for batch in digits.calibration]
    done = equalize(digits.graph, calibration)
    plan = decide(observe(done.graph, calibration), SETTINGS)
    with torch.no_grad():
        found = replica(done.graph, plan).module(digits.images).argmax(1)
    dense = digits.graph.module(digits.images).argmax(1)
    assert (found == dense).float().mean() >= 0.99
