"""Fitting one operator's rounding: on rows of numbers, without a graph."""

import math

import pytest
import torch
from torch import Tensor

from pipeline.prune.consumers.rows import Rows
from pipeline.quantize.fitting import Fit
from pipeline.quantize.replica import WeightRounding

LINEAR = Rows((), (), (), (), 1)


def fit(inputs: Tensor, weight: Tensor, scale: float, limits=(-math.inf, math.inf)) -> Fit:
    rounding = WeightRounding(torch.full((len(weight),), scale), 0)
    targets = inputs @ weight.T
    return Fit(
        inputs[None], targets[None], weight, torch.zeros(len(weight)), rounding, LINEAR, limits
    )


def generator() -> torch.Generator:
    return torch.Generator().manual_seed(0)


def test_errors_that_add_up_are_rounded_apart() -> None:
    """Four equal inputs: only the sum of the weights counts, and rounding each adds up errors."""
    torch.manual_seed(0)
    inputs = torch.randn(256, 1).expand(-1, 4)
    work = fit(inputs, torch.tensor([[0.45, 0.55, 0.6, 0.7]]), scale=1.0)
    assert work.nearest().sum() == 3
    assert work.solve(400, generator()).sum() == 2  # of 2.3


def test_what_an_activation_hides_costs_nothing() -> None:
    inputs = torch.rand(64, 2) + 0.5
    weight = torch.tensor([[-3.4, -2.4]])
    assert fit(inputs, weight, 1.0, (0.0, math.inf)).loss(torch.tensor([[-1.0, -1.0]])) == 0
    assert fit(inputs, weight, 1.0).loss(torch.tensor([[-1.0, -1.0]])) > 0


def test_weights_go_to_a_neighbour_and_stay_within_int8() -> None:
    torch.manual_seed(0)
    weight = torch.randn(5, 12) * 60
    work = fit(torch.randn(300, 12), weight, 1.0)
    chosen = work.solve(50, generator())
    assert chosen.abs().max() <= 127
    assert (chosen == chosen.round()).all()
    assert ((chosen - weight.clamp(-127, 127)).abs() < 1 + 1e-6).all()


@pytest.mark.parametrize("beyond", [-300.0, 300.0])
def test_a_weight_beyond_its_range_stays_at_the_end(beyond: float) -> None:
    work = fit(torch.randn(64, 2), torch.tensor([[beyond, 1.0]]), 1.0)
    assert work.nearest()[0, 0] == math.copysign(127, beyond)
    assert work.reals(work.nearest())[0, 0] == math.copysign(127, beyond)
