"""A trained net made hostile to quantization, and what brings it back without training."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.quantize.bias import correct_bias
from pipeline.quantize.decide import decide
from pipeline.quantize.equalize import equalize
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import QuantPlan, Settings
from pipeline.quantize.replica import replica
from pipeline.quantize.rounding import round_weights
from pipeline.quantize.sensitivity import float_gains, sqnr_db

SETTINGS = Settings(scheme="int8", mode="ptq")
# What makes channels (a convolution, its bias or its batch norm), and what reads them.
STREAMS = (
    (("body.0.1", "body.1.second.1"), ("body.1.first.0", "body.2.0.0")),
    (("body.1.first.1",), ("body.1.second.0",)),
    (("body.2.0.1",), ("body.2.1.0",)),
    (("body.2.1.1",), ("body.3.narrow.0", "body.3.wide.0")),
    (("body.5.1",), ("body.9",)),
)


def hostile(graph: Graph) -> Graph:
    """Half of the channels across each rectifier times 100, undone in the weights behind it."""
    twisted = graph.copy()
    generator = torch.Generator().manual_seed(0)
    stored = dict(twisted.module.named_parameters())
    for makes, reads in STREAMS:
        size = len(stored[f"{makes[0]}.weight"])
        factors = torch.where(torch.rand(size, generator=generator) < 0.5, 1.0, 100.0)
        with torch.no_grad():
            for name in makes:
                stored[f"{name}.weight"].mul_(factors)
                stored[f"{name}.bias"].mul_(factors)
            for name in reads:
                weight = stored[f"{name}.weight"]
                axis = 0 if weight.shape[1] == 1 else 1  # a depthwise one has its channels first
                shape = [1] * weight.dim()
                shape[axis] = size
                weight.div_(factors.reshape(shape))
    return twisted


def accuracy(graph: Graph, plan: QuantPlan | None, digits) -> float:
    module = graph.module if plan is None else replica(graph, plan).module
    with torch.no_grad():
        return float((module(digits.images).argmax(1) == digits.labels).float().mean())


@pytest.fixture(scope="module")
def twisted(digits) -> Graph:
    return hostile(digits.graph)


@pytest.fixture(scope="module")
def calibration(digits) -> list[tuple[Tensor, ...]]:
    return [(batch,) for batch in digits.calibration]


def test_plain_quantization_collapses(digits, twisted: Graph, calibration) -> None:
    dense = accuracy(digits.graph, None, digits)
    assert accuracy(twisted, None, digits) == pytest.approx(dense, abs=0.002)
    plan = decide(observe(twisted, calibration), SETTINGS)
    assert accuracy(twisted, plan, digits) < dense - 0.1


def test_equalizing_recovers_it(digits, twisted: Graph, calibration) -> None:
    dense = accuracy(digits.graph, None, digits)
    graph = equalize(twisted, calibration).graph
    plan = decide(observe(graph, calibration), SETTINGS)
    assert accuracy(graph, plan, digits) >= dense - 0.01
    corrected = correct_bias(graph, plan, calibration).graph
    assert accuracy(corrected, plan, digits) >= dense - 0.01


@pytest.mark.slow
def test_rounding_after_equalizing_brings_the_outputs_nearer(
    digits, twisted: Graph, calibration
) -> None:
    graph = equalize(twisted, calibration).graph
    plan = decide(observe(graph, calibration), SETTINGS)
    rounded = round_weights(graph, plan, calibration, steps=300)
    assert accuracy(rounded.graph, rounded.plan, digits) >= accuracy(graph, plan, digits) - 0.005
    assert sqnr_db(rounded.graph, rounded.plan, calibration) > sqnr_db(graph, plan, calibration)


class Located(nn.Module):
    """Features, and of them positions in pixels: an output whose range is wide."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(nn.Linear(6, 32), nn.ReLU(), nn.Linear(32, 32), nn.ReLU())
        self.place = nn.Linear(32, 4)

    def forward(self, x: Tensor) -> Tensor:
        return self.place(self.features(x))


def test_a_wide_regression_head_is_what_gains_most_in_float() -> None:
    torch.manual_seed(0)
    net = Located()
    with torch.no_grad():
        net.place.weight.mul_(50)
        net.place.bias.copy_(torch.tensor([0.0, 10.0, 400.0, 5000.0]))  # one scale for all four
    inputs = torch.randn(64, 6)
    graph = trace(net, (inputs[:1],))
    plan = decide(observe(graph, [(inputs,)]), SETTINGS)
    best, *_ = float_gains(graph, plan, [(inputs,)])
    assert "linear_2" in best.region.nodes
    assert best.gain_db > 10
