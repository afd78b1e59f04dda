"""Deciding scales: pure numbers, checked as properties."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from pipeline.quantize.decide import decide, quantization
from pipeline.quantize.observations import BINS, Observations, histogram
from pipeline.quantize.plan import LEAST_SCALE, Range, Settings
from pipeline.quantize.ranges import METHODS, least_squares, range_of

finite = st.floats(-1000, 1000, width=32)
values = arrays(np.float32, st.integers(1, 200), elements=finite)
# 1/64 is far above float64's rounding at 2000, so that no value lies between bins by rounding.
grid = arrays(np.int32, st.integers(1, 200), elements=st.integers(-(2**16), 2**16)).map(
    lambda integers: (integers / 64).astype(np.float32)
)
ranges = st.tuples(finite, finite).map(sorted)


def integers(x: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    return np.clip(np.rint(x / scale) + zero_point, -128, 127)


def reals(q: np.ndarray, scale: float, zero_point: int) -> np.ndarray:
    return (q - zero_point) * scale


@given(ranges, values)
def test_quantizing_what_is_quantized_changes_nothing(limits: list[float], x: np.ndarray) -> None:
    affine = quantization(*limits, LEAST_SCALE)
    once = reals(integers(x, *affine), *affine)
    np.testing.assert_array_equal(reals(integers(once, *affine), *affine), once)


@given(ranges, st.floats(0, 1))
def test_values_in_range_are_off_by_half_a_step(limits: list[float], place: float) -> None:
    low, high = min(limits[0], 0.0), max(limits[1], 0.0)
    x = np.array([low + place * (high - low)])
    scale, zero_point = quantization(low, high, LEAST_SCALE)
    # At the ends the rounding of the zero point adds another half; the scale is a float32, whose
    # rounding moves 255 steps by at most 255 * 2^-24 of a step.
    ends = reals(np.array([-128, 127]), scale, zero_point)
    inside = bool(ends[0] <= x[0] <= ends[1])
    error = abs(reals(integers(x, scale, zero_point), scale, zero_point) - x)[0]
    assert error <= scale * (0.5 if inside else 1.0) * (1 + 1e-4)


@given(ranges)
def test_zero_is_exact(limits: list[float]) -> None:
    affine = quantization(*limits, LEAST_SCALE)
    assert reals(integers(np.zeros(1), *affine), *affine)[0] == 0.0


@given(values)
def test_uint8_is_int8_shifted(x: np.ndarray) -> None:
    scale, zero_point = quantization(float(x.min()), float(x.max()), LEAST_SCALE)
    unsigned = np.clip(np.rint(x / scale) + zero_point + 128, 0, 255)
    np.testing.assert_array_equal(unsigned - 128, integers(x, scale, zero_point))


@given(grid, grid)
def test_histograms_add_up(first: np.ndarray, second: np.ndarray) -> None:
    together = histogram(np.concatenate([first, second]))
    added = histogram(first) + histogram(second)
    np.testing.assert_array_equal(added.counts, together.counts)
    assert (added.radius, added.least, added.greatest) == (
        together.radius,
        together.least,
        together.greatest,
    )


@given(values)
def test_a_histogram_holds_every_value(x: np.ndarray) -> None:
    seen = histogram(x)
    assert seen.counts.sum() == x.size
    assert len(seen.counts) == BINS
    occupied = seen.centres[seen.counts > 0]
    half_a_bin = seen.radius / BINS
    assert occupied.min() >= seen.least - 2 * half_a_bin
    assert occupied.max() <= seen.greatest + 2 * half_a_bin


@pytest.mark.parametrize("method", METHODS)
@given(values)
def test_the_range_is_within_the_observed_one(method: Range, x: np.ndarray) -> None:
    low, high = range_of(histogram(x), method)
    assert min(x.min(), 0) <= low <= 0 <= high <= max(x.max(), 0)


def test_a_rare_outlier_is_clipped_and_a_uniform_range_is_kept() -> None:
    bulk = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    low, high = least_squares(histogram(np.append(bulk, np.float32(10))))
    # At high h: rounding ((h + 4.4) / 255)^2 / 12 + clipping (10 - h)^2 / 100,000, least near 8.4.
    assert 8 < high < 9
    assert low < -3.5
    even = np.linspace(-1, 1, 10_000, dtype=np.float32)
    assert least_squares(histogram(even)) == (-1.0, 1.0)


def test_every_method_but_min_max_leaves_an_outlier_out() -> None:
    bulk = np.random.default_rng(0).normal(size=100_000).astype(np.float32)
    seen = histogram(np.append(bulk, np.float32(20)))
    highs = {method: range_of(seen, method)[1] for method in METHODS}
    assert highs["min-max"] == 20
    # 5 of 100,000 normal values lie above 3.9, and none above 4.5. At a high h, rounding all costs
    # 100,000 ((h + 4.4) / 255)^2 / 12 and clipping one (20 - h)^2: least near 17.
    assert 3.5 < highs["percentile"] < 4.5
    assert 3 < highs["entropy"] < 12
    assert 16 < highs["least-squares"] < 18


def test_a_frequent_value_does_not_make_the_entropy_clip_the_others() -> None:
    spread = np.random.default_rng(0).random(10_000).astype(np.float32)
    often = np.full(40_000, 0.1, np.float32)
    high = range_of(histogram(np.concatenate([spread, often])), "entropy")[1]
    # 1 % of all values are 5 % of those that spread from 0 to 1.
    assert high >= 0.94


def test_a_tensor_of_zeros_has_a_range() -> None:
    for method in METHODS:
        assert range_of(histogram(np.zeros(10, np.float32)), method) == pytest.approx((0, 0))


def test_clipping_lowers_the_squared_error() -> None:
    x = np.random.default_rng(1).laplace(size=200_000).astype(np.float32)

    def error(low: float, high: float) -> float:
        affine = quantization(low, high, LEAST_SCALE)
        return float(np.square(reals(integers(x, *affine), *affine) - x).mean())

    assert error(*least_squares(histogram(x))) < error(float(x.min()), float(x.max()))


def test_tensors_of_a_group_share_one_scale_and_fixed_ones_keep_theirs() -> None:
    observed = Observations(
        samples=1,
        histograms={0: histogram(np.array([0, 1], np.float32))},
        groups={"relu": 0, "cat": 0},
        fixed={"sigmoid": (1 / 256, -128)},
        weights=(),
        floats=(),
    )
    plan = decide(observed, Settings(scheme="int8", mode="ptq"))
    by_tensor = {entry.tensor: (entry.scale, entry.zero_point) for entry in plan.tensors}
    assert by_tensor["relu"] == by_tensor["cat"] == (float(np.float32(1 / 255)), -128)
    assert by_tensor["sigmoid"] == (1 / 256, -128)
