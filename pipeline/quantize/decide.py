"""Deciding: from what was observed to a plan. Pure, and free of torch."""

import numpy as np
from numpy.typing import NDArray

from pipeline.quantize.observations import Histogram, Observations
from pipeline.quantize.plan import QuantPlan, Settings, TensorQuantization

LEAST, GREATEST = -128, 127
SHRINKAGE = np.linspace(1.0, 0.3, 71)
"""Candidates for a range, as fractions of the observed one."""


def decide(observed: Observations, settings: Settings) -> QuantPlan:
    """One scale and zero point per group of tensors, with the least squared error."""
    affine = {
        group: quantization(*best_range(histogram), settings.least_scale)
        for group, histogram in observed.histograms.items()
    }
    by_tensor = {tensor: affine[group] for tensor, group in observed.groups.items()}
    by_tensor |= observed.fixed
    return QuantPlan(
        settings=settings,
        samples=observed.samples,
        tensors=tuple(
            TensorQuantization(tensor=tensor, scale=scale, zero_point=zero_point)
            for tensor, (scale, zero_point) in by_tensor.items()
        ),
        weights=observed.weights,
        floats=observed.floats,
    )


def quantization(low: float, high: float, least_scale: float) -> tuple[float, int]:
    """Scale and zero point whose int8 range covers [low, high], and 0 exactly (padding)."""
    low, high = min(low, 0.0), max(high, 0.0)
    scale = float(np.float32(max((high - low) / (GREATEST - LEAST), least_scale)))
    zero_point = LEAST - round(low / scale)
    return scale, int(np.clip(zero_point, LEAST, GREATEST))


def best_range(histogram: Histogram) -> tuple[float, float]:
    """The range within the observed one with the least expected squared error.

    Clipping rare outliers costs their distance and refines all other values. Each end is moved
    in turn, the other fixed (as in norm minimisation, Krishnamoorthi 2018, section 3.1).
    """
    low, high = min(histogram.least, 0.0), max(histogram.greatest, 0.0)
    occupied = histogram.counts > 0
    values, counts = histogram.centres[occupied], histogram.counts[occupied]
    for _ in range(2):
        highs = high * SHRINKAGE
        high = float(highs[_least_error(values, counts, np.full_like(highs, low), highs)])
        lows = low * SHRINKAGE
        low = float(lows[_least_error(values, counts, lows, np.full_like(lows, high))])
    return low, high


def _least_error(
    values: NDArray[np.float64],
    counts: NDArray[np.int64],
    lows: NDArray[np.float64],
    highs: NDArray[np.float64],
) -> int:
    """Index of the candidate with the least error; the widest of equals.

    Within a range of scale s a value is off by a uniform half step: s² / 12 on average.
    """
    low, high = lows[:, None], highs[:, None]
    inside = (values >= low) & (values <= high)
    rounding = ((high - low) / (GREATEST - LEAST)) ** 2 / 12
    clipping = (values - np.clip(values, low, high)) ** 2
    error = np.where(inside, rounding, clipping) @ counts
    return int(np.argmin(error))
