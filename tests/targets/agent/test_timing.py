"""Warm-up ends when it should, and inputs are the same for the same seed."""

from collections.abc import Callable, Iterator
from itertools import chain, cycle, repeat

import numpy as np
import pytest

from targets.agent.timing import (
    credible,
    random_inputs,
    reference_ns,
    time_session,
    warm_up,
)
from targets.artifact import TensorSpec
from targets.errors import MeasurementInvalid
from targets.measurement import TimingRule

RULE = TimingRule()
MS = 1_000_000


def told(durations: Iterator[int]) -> Callable[[], int]:
    return lambda: next(durations)


@pytest.mark.parametrize(
    ("duration", "iterations"),
    [
        (1 * MS, 250),  # 250 ms
        (50 * MS, 41),  # the averages agree from the second iteration on, for 40
        (10_000, 25_000),
    ],
)
def test_a_steady_latency_warms_up_in_the_least(duration: int, iterations: int) -> None:
    assert warm_up(told(repeat(duration)), RULE) == iterations


def test_a_slow_start_is_waited_for() -> None:
    durations = chain(repeat(10 * MS, 5), repeat(1 * MS))
    # The slow average has to come from about 10 down to within 4 % of 1, ln(9 / 0.04) / 0.005
    # iterations, and then to stay there for 40.
    assert warm_up(told(durations), RULE) == pytest.approx(5 + 1083 + 40, rel=0.02)


def test_warm_up_ends_even_if_it_never_settles() -> None:
    durations = cycle(chain(repeat(1 * MS, 60), repeat(3 * MS, 60)))
    iterations = warm_up(told(durations), RULE)
    assert iterations * 2 * MS == pytest.approx(8_000 * MS, rel=0.05)


def test_random_inputs_follow_seed_and_dtype() -> None:
    specs = [
        TensorSpec("f", (1, 50), "float32"),
        TensorSpec("q", (1, 500), "int8"),
        TensorSpec("u", (1, 500), "uint8"),
        TensorSpec("index", (1, 50), "int64"),
        TensorSpec("flag", (1, 50), "bool"),
    ]
    one, same, other = (random_inputs(specs, seed) for seed in (1, 1, 2))
    for spec, a, b, c in zip(specs, one, same, other, strict=True):
        assert (a.dtype, a.shape) == (np.dtype(spec.dtype), spec.shape)
        np.testing.assert_array_equal(a, b)
        assert not np.array_equal(a, c)
    assert one[1].min() < -100
    assert one[2].max() > 200
    assert set(one[3].ravel()) == {0, 1}


def test_a_session_is_timed_in_whole_nanoseconds() -> None:
    rule = TimingRule(min_samples=40, min_seconds=0.0, warmup_min_s=0.0, warmup_max_s=0.01)
    times = time_session(lambda raw: raw, [], rule)
    samples = times["latency_ns"]
    assert isinstance(samples, list)
    assert len(samples) == 40
    assert all(type(each) is int for each in samples)


def test_slow_models_end_at_the_longest_time() -> None:
    rule = TimingRule(min_samples=10**9, max_seconds=0.05, warmup_max_s=0.01)
    samples = time_session(lambda raw: raw, [], rule)["latency_ns"]
    assert isinstance(samples, list)
    assert 0 < len(samples) < 10**9


def test_the_reference_kernel_takes_time() -> None:
    assert reference_ns() > 0


@pytest.mark.parametrize(
    ("samples", "told"),
    [
        ([], "no sample at all"),
        ([5, -3, 5], "clock went backwards by 3 ns"),
        ([5, 0], "took 0 ns"),
    ],
)
def test_times_that_no_working_clock_gives(samples: list[int], told: str) -> None:
    with pytest.raises(MeasurementInvalid, match=told):
        credible(samples)
    assert credible([1, 2]) == [1, 2]
