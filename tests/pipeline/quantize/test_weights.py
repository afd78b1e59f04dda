"""A weight's scales: from its own values, or as the plan stores them."""

import numpy as np
import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from pydantic import ValidationError
from torch import Tensor

from pipeline.quantize import apply
from pipeline.quantize.plan import LEAST_SCALE, Settings, WeightQuantization
from pipeline.quantize.weights import integers, scales_of, spread

matrices = arrays(
    np.float32,
    st.tuples(st.integers(1, 4), st.integers(1, 12)),
    elements=st.floats(-8, 8, width=32),
)
MIN_MAX = Settings(scheme="int8", mode="ptq")
LEAST_SQUARES = Settings(scheme="int8", mode="ptq", weight_range="least-squares")


def entry(weight: Tensor, scales: tuple[float, ...] = ()) -> WeightQuantization:
    return WeightQuantization(weight="w", channel_axis=0, channels=len(weight), scales=scales)


def rounded(weight: Tensor, scales: Tensor) -> Tensor:
    return integers(weight, scales, 0) * spread(scales, weight, 0)


@given(matrices)
def test_rounding_what_is_rounded_changes_nothing(values: np.ndarray) -> None:
    weight = torch.from_numpy(values)
    scales = scales_of(weight, entry(weight), MIN_MAX)
    once = rounded(weight, scales)
    assert torch.equal(rounded(once, scales), once)
    assert integers(weight, scales, 0).abs().max() <= 127


@given(matrices)
def test_weights_are_off_by_half_a_step(values: np.ndarray) -> None:
    weight = torch.from_numpy(values)
    scales = scales_of(weight, entry(weight), MIN_MAX)
    # float32 rounds the quotient of at most 127 steps: by 127 * 2^-24 of a step, twice.
    limit = scales[:, None] * (0.5 + 1e-4)
    assert bool(((rounded(weight, scales) - weight).abs() <= limit).all())


@given(matrices)
def test_least_squares_is_no_worse_than_min_max(values: np.ndarray) -> None:
    weight = torch.from_numpy(values)
    errors = [
        (rounded(weight, scales_of(weight, entry(weight), settings)) - weight).square().sum(1)
        for settings in (LEAST_SQUARES, MIN_MAX)
    ]
    # A scale below the least one is replaced by it, whatever the range.
    assert bool((errors[0] <= errors[1] + LEAST_SCALE**2 * weight.shape[1]).all())


def test_least_squares_clips_an_outlier() -> None:
    torch.manual_seed(0)
    weight = torch.randn(1, 20_000).clamp(-3, 3)
    weight[0, 0] = 6
    scales = [scales_of(weight, entry(weight), one) for one in (LEAST_SQUARES, MIN_MAX)]
    assert scales[1] == pytest.approx(6 / 127)
    # Rounding all grows with the square of the range, clipping one costs its distance once.
    assert scales[0] < 0.95 * scales[1]


def test_stored_scales_are_taken_as_they_are(digits) -> None:
    plan = digits.quantized.plan
    doubled = []
    for one in plan.weights:
        weight = digits.graph.module.get_parameter(one.weight)
        scales = tuple((2 * scales_of(weight, one, plan.settings)).tolist())
        doubled.append(one.model_copy(update={"scales": scales}))
    changed = plan.model_copy(update={"weights": tuple(doubled)})
    folded = apply(digits.graph, changed).folded
    (node,) = (node for node in folded.graph.nodes if node.target is torch.ops.aten.linear.default)
    found = getattr(folded, str(node.args[1].args[1].target))
    assert torch.equal(found, torch.tensor(doubled[-1].scales))


@pytest.mark.parametrize("scales", [(0.1,), (0.1, 0.0), (0.1, -1.0)])
def test_scales_that_fit_no_channel_are_refused(scales: tuple[float, ...]) -> None:
    with pytest.raises(ValidationError):
        WeightQuantization(weight="w", channel_axis=0, channels=2, scales=scales)
