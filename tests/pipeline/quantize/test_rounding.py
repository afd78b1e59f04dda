"""Adaptive rounding: weights on the grid, and outputs nearer than by rounding to the nearest."""

import pytest
import torch

from pipeline.quantize import apply
from pipeline.quantize.replica import replica
from pipeline.quantize.rounding import Rounded, round_weights
from pipeline.quantize.weights import integers, spread

STEPS = 60


@pytest.fixture(scope="module")
def done(digits) -> Rounded:
    calibration = [(batch,) for batch in digits.calibration]
    return round_weights(digits.graph, digits.quantized.plan, calibration, STEPS)


def test_weights_lie_on_the_grid_that_the_plan_stores(digits, done: Rounded) -> None:
    assert len(done.plan.weights) == len(digits.quantized.plan.weights) == 9
    for entry in done.plan.weights:
        weight = done.graph.module.get_parameter(entry.weight).detach()
        scales = torch.tensor(entry.scales)
        found = integers(weight, scales, entry.channel_axis)
        assert found.abs().max() <= 127
        torch.testing.assert_close(
            found * spread(scales, weight, entry.channel_axis), weight, rtol=0, atol=0
        )


def test_applying_the_plan_gives_those_weights(done: Rounded) -> None:
    folded = apply(done.graph, done.plan).folded
    stored = {
        str(node.args[1].args[0].target)
        for node in folded.graph.nodes
        if node.target in (torch.ops.aten.conv2d.default, torch.ops.aten.linear.default)
    }
    sums = sorted(int(getattr(folded, name).int().sum()) for name in stored)
    expected = sorted(
        int(
            integers(
                done.graph.module.get_parameter(entry.weight),
                torch.tensor(entry.scales),
                entry.channel_axis,
            ).sum()
        )
        for entry in done.plan.weights
    )
    assert sums == expected


def test_no_operator_is_worse_and_most_are_better(done: Rounded) -> None:
    errors = [weight.error for weight in done.weights]
    assert max(errors) <= 1
    assert sum(error < 1 for error in errors) > len(errors) / 2
    assert all(0 <= weight.moved < 0.5 for weight in done.weights)


def test_the_outputs_come_nearer(digits, done: Rounded) -> None:
    images = torch.cat(digits.calibration)
    with torch.no_grad():
        dense = digits.graph.module(images)
        before = (replica(digits.graph, digits.quantized.plan).module(images) - dense).norm()
        after = (replica(done.graph, done.plan).module(images) - dense).norm()
    assert after < before


def test_the_same_seed_gives_the_same_weights(digits) -> None:
    calibration = [(digits.calibration[0],)]
    first, second = (
        round_weights(digits.graph, digits.quantized.plan, calibration, 5, seed=3) for _ in range(2)
    )
    weights = second.graph.module.state_dict()
    assert all(
        torch.equal(one, weights[name]) for name, one in first.graph.module.state_dict().items()
    )
    assert first.plan == second.plan
