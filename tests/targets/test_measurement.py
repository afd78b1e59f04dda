"""Samples in, numbers out: quantiles, drift, and readings that do not exist."""

from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from targets.measurement import (
    Measurement,
    MemoryPhases,
    ProcessSamples,
    TimingRule,
    least_samples,
    order_statistic,
    unavailable,
)

STEADY = ProcessSamples((100_000,) * 300, 5_000_000, 300_000, 1000, 1000, 30)
MEMORY = MemoryPhases(20_000_000, 21_000_000, 25_000_000, 24_000_000)


def measured(*processes: ProcessSamples, memory: tuple[MemoryPhases, ...] = ()) -> Measurement:
    return Measurement("ab" * 32, "tflite", processes, memory, "measured-on-device", {"cpu": "x"})


@given(st.lists(st.integers(1, 10**9), min_size=1, max_size=200), st.floats(0.01, 1.0))
def test_a_quantile_is_a_sample_that_covers_its_share(values: list[int], quantile: float) -> None:
    found = order_statistic(values, quantile)
    assert found in values
    assert sum(value <= found for value in values) >= quantile * len(values) - 1e-6
    assert sum(value < found for value in values) < quantile * len(values)


def test_least_samples_are_those_of_the_derivation() -> None:
    assert [least_samples(q) for q in (0.5, 0.9, 0.95, 0.99)] == [5, 29, 59, 299]
    assert TimingRule().covering(0.95).min_samples == 100
    assert TimingRule().covering(0.99).min_samples == 300


def test_a_summary_is_the_median_over_processes() -> None:
    processes = [replace(STEADY, latency_ns=(k * 100_000,) * 300) for k in (1, 2, 6)]
    summary = measured(*processes, memory=(MEMORY,)).summary()
    assert summary["latency_ms"] == {"p50": 0.2, "p90": 0.2, "p95": 0.2, "p99": 0.2}
    assert summary["peak_memory_mb"] == 4.0
    assert summary["load_ms"] == 5.0


def test_what_is_missing_is_unavailable_and_never_zero() -> None:
    few = replace(STEADY, latency_ns=(1000,) * 60)
    memory = (MemoryPhases(reason="clear_refs can't be written"),)
    summary = measured(few, memory=memory).summary()
    latency = summary["latency_ms"]
    assert isinstance(latency, dict)
    assert latency["p95"] == 0.001
    assert latency["p99"] == unavailable("60 samples per process; p99 needs 299")
    assert summary["peak_memory_mb"] == unavailable("clear_refs can't be written")
    assert str(summary["energy_mj"]).startswith("unavailable: ")


def test_a_steady_sitting_is_valid() -> None:
    assert measured(STEADY, STEADY, STEADY).invalid_reason() is None


def test_one_disturbed_process_does_not_invalidate() -> None:
    slowing = replace(STEADY, latency_ns=(100,) * 100 + (150,) * 200)
    assert measured(STEADY, slowing, STEADY).invalid_reason() is None
    told = measured(slowing, slowing, STEADY).invalid_reason()
    assert told is not None
    assert "drifts by +50.0%" in told


def test_a_machine_that_has_no_core_to_spare_invalidates() -> None:
    waiting = replace(STEADY, waiting_share=0.4)
    assert measured(waiting, STEADY, STEADY).invalid_reason() is None
    told = measured(waiting, waiting, STEADY).invalid_reason()
    assert told is not None
    assert "waits for a core 40% of its time" in told


def test_a_throttled_process_invalidates_all() -> None:
    hot = replace(STEADY, conditions={"throttling": "throttled: thermal status moderate"})
    assert measured(*[STEADY] * 4, hot).invalid_reason() == hot.conditions["throttling"]
    unknown = replace(STEADY, conditions={"throttling": "unavailable: no sensor"})
    assert measured(unknown).invalid_reason() is None


def test_a_slower_reference_kernel_invalidates() -> None:
    slower = replace(STEADY, reference_ns_after=1200)
    told = measured(slower, slower, STEADY).invalid_reason()
    assert told is not None
    assert "reference kernel changes by +20.0%" in told
