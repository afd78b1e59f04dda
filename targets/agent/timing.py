"""Times a session: reference kernel, first inference, warm-up, samples, reference kernel again."""

import gc
import time
from typing import Callable, Dict, List, Sequence, Tuple

import numpy as np

from targets.artifact import TensorSpec
from targets.errors import MeasurementInvalid
from targets.measurement import TimingRule, median

_clock = time.perf_counter_ns
_REFERENCE_RUNS = 101
_REFERENCE_LENGTH = 32_768  # 128 kB per array: within any L2, about 40 µs a run


def random_inputs(specs: Sequence[TensorSpec], seed: int) -> List[np.ndarray]:
    """Raw inputs of a seed: floats normal, 8-bit integers over their range, others 0 or 1.

    Wider integers are most often indices, and every table has the rows 0 and 1.
    """
    generator = np.random.default_rng(seed)
    return [_random(generator, spec) for spec in specs]


def _random(generator: np.random.Generator, spec: TensorSpec) -> np.ndarray:
    dtype = np.dtype(spec.dtype)
    if dtype.kind == "f":
        return generator.standard_normal(spec.shape).astype(dtype)
    limits = np.iinfo(dtype) if dtype.itemsize == 1 and dtype.kind in "iu" else None
    low, high = (limits.min, limits.max) if limits else (0, 1)
    return generator.integers(low, high, spec.shape, endpoint=True).astype(dtype)


def time_session(
    invoke: Callable[[List[np.ndarray]], List[np.ndarray]], raw: List[np.ndarray], rule: TimingRule
) -> Dict[str, object]:
    """All times of one process, in the terms of ProcessSamples, without its load time."""
    gc.collect()
    gc.disable()  # a collection in the middle of a sample would be measured
    first = _timed(invoke, raw)
    reference = reference_ns()
    iterations = warm_up(lambda: _timed(invoke, raw), rule)
    samples = credible(_sample(invoke, raw, rule))
    return {
        "latency_ns": samples,
        "first_inference_ns": first,
        "reference_ns_before": reference,
        "reference_ns_after": reference_ns(),
        "warmup_iterations": iterations,
    }


def credible(samples: List[int]) -> List[int]:
    """The samples themselves. Raises MeasurementInvalid where a clock that works can't give them.

    A time of 0 is a clock that is too coarse for the model; one below 0 a clock that was set back.
    """
    least = min(samples, default=0)
    if not samples:
        raise MeasurementInvalid("the device took no sample at all")
    if least < 0:
        raise MeasurementInvalid(
            f"the device's clock went backwards by {-least} ns during an inference; stop what sets "
            "it, and measure again"
        )
    if least == 0:
        raise MeasurementInvalid(
            "an inference took 0 ns: the device's clock is too coarse for this model"
        )
    return samples


def warm_up(timed: Callable[[], int], rule: TimingRule) -> int:
    """Runs until a fast and a slow moving average agree; returns the number of iterations.

    AndroidX's WarmupManager; the time counted is the time of the iterations themselves.
    """
    fast = slow = float(timed())
    total_ns, iterations, stable = fast, 1, 0
    while True:
        duration = timed()
        iterations += 1
        total_ns += duration
        fast += rule.warmup_fast * (duration - fast)
        slow += rule.warmup_slow * (duration - slow)
        stable = stable + 1 if abs(fast / slow - 1) < rule.warmup_tolerance else 0
        if total_ns >= rule.warmup_max_s * 1e9 or _warm(rule, iterations, total_ns, stable):
            return iterations


def _warm(rule: TimingRule, iterations: int, total_ns: float, stable: int) -> bool:
    enough = iterations >= rule.warmup_min_iterations and total_ns >= rule.warmup_min_s * 1e9
    return enough and stable >= rule.warmup_stable_iterations


def _sample(
    invoke: Callable[[List[np.ndarray]], List[np.ndarray]], raw: List[np.ndarray], rule: TimingRule
) -> List[int]:
    samples: List[int] = []
    begin = _clock()
    least, most = begin + int(rule.min_seconds * 1e9), begin + int(rule.max_seconds * 1e9)
    while True:
        start = _clock()
        invoke(raw)
        stop = _clock()
        samples.append(stop - start)
        if stop >= most or (stop >= least and len(samples) >= rule.min_samples):
            return samples


def _timed(invoke: Callable[[List[np.ndarray]], List[np.ndarray]], raw: List[np.ndarray]) -> int:
    start = _clock()
    invoke(raw)
    return _clock() - start


def reference_ns() -> int:
    """The median time of a fixed kernel: how fast this processor is at this moment."""
    left, right = _operands()
    times = []
    for _ in range(_REFERENCE_RUNS):
        start = _clock()
        float((left * right + left).sum())
        times.append(_clock() - start)
    return max(1, int(median(times)))


def _operands() -> Tuple[np.ndarray, np.ndarray]:
    left = np.linspace(0.0, 1.0, _REFERENCE_LENGTH, dtype=np.float32)
    return left, left[::-1].copy()
