"""From a histogram to the range that int8 covers: the ways to trade clipping for resolution.

Pure, and free of torch. Every range is within the observed one, and holds 0.
"""

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from pipeline.quantize.observations import BINS, Histogram
from pipeline.quantize.plan import Range

LEAST, GREATEST = -128, 127
LEVELS = GREATEST - LEAST + 1
SHRINKAGE = np.linspace(1.0, 0.3, 71)
"""Candidates for a range, as fractions of the observed one."""
MOST_CLIPPED = 0.01
"""Share of values that the least divergence may clip."""
TAIL = 0.5e-4
"""What a percentile range leaves out at each end: 0.01 % of all values together."""

Values = NDArray[np.float64]
Counts = NDArray[np.int64]
Errors = Callable[[Values, Counts, Values, Values], Values]
"""Of values and counts (N,), for candidates with these lows and highs (C,): errors (C,)."""


def range_of(histogram: Histogram, method: Range) -> tuple[float, float]:
    """The least and the greatest value that int8 is to hold."""
    return METHODS[method](histogram)


def min_max(histogram: Histogram) -> tuple[float, float]:
    """All that was seen."""
    return min(histogram.least, 0.0), max(histogram.greatest, 0.0)


def percentile(histogram: Histogram) -> tuple[float, float]:
    """What was seen without the rarest values at each end (Wu et al. 2020, "Integer Quantization",
    section 5.2)."""
    low, high = min_max(histogram)
    reached = np.cumsum(histogram.counts)
    total = int(reached[-1])
    first = int(np.searchsorted(reached, TAIL * total, side="right"))
    last = int(np.searchsorted(reached, (1 - TAIL) * total, side="left"))
    half = histogram.radius / BINS
    centres = histogram.centres
    return max(low, min(centres[first] - half, 0.0)), min(high, max(centres[last] + half, 0.0))


def least_squares(histogram: Histogram) -> tuple[float, float]:
    """The range with the least expected squared error.

    Clipping rare outliers costs their distance and refines all other values (norm minimisation,
    Krishnamoorthi 2018, section 3.1).
    """
    return _narrowed(histogram, _squared_errors)


def entropy(histogram: Histogram) -> tuple[float, float]:
    """The range whose 256 levels lose the least information about the values (Migacz 2017, "8-bit
    inference with TensorRT")."""
    return _narrowed(histogram, _divergences)


METHODS: Mapping[Range, Callable[[Histogram], tuple[float, float]]] = MappingProxyType(
    {
        "least-squares": least_squares,
        "min-max": min_max,
        "percentile": percentile,
        "entropy": entropy,
    }
)


def _narrowed(histogram: Histogram, errors: Errors) -> tuple[float, float]:
    """The best of the candidates, the widest of equals; each end moved in turn, the other fixed.

    The bin of 0 doesn't count: behind a rectifier most values are 0, which int8 holds exactly.
    """
    low, high = min_max(histogram)
    occupied = histogram.counts > 0
    occupied[BINS // 2] = False
    values, counts = histogram.centres[occupied], histogram.counts[occupied]
    if not values.size:
        return low, high
    for _ in range(2):
        highs = high * SHRINKAGE
        high = float(highs[np.argmin(errors(values, counts, np.full_like(highs, low), highs))])
        lows = low * SHRINKAGE
        low = float(lows[np.argmin(errors(values, counts, lows, np.full_like(lows, high)))])
    return low, high


def _squared_errors(values: Values, counts: Counts, lows: Values, highs: Values) -> Values:
    """Within a range of scale s a value is off by a uniform half step: s² / 12 on average."""
    low, high = lows[:, None], highs[:, None]
    inside = (values >= low) & (values <= high)
    rounding = ((high - low) / (LEVELS - 1)) ** 2 / 12
    clipping = (values - np.clip(values, low, high)) ** 2
    error: Values = np.where(inside, rounding, clipping) @ counts
    return error


def _divergences(values: Values, counts: Counts, lows: Values, highs: Values) -> Values:
    return np.array([_divergence(values, counts, *ends) for ends in zip(lows, highs, strict=True)])


def _divergence(values: Values, counts: Counts, low: float, high: float) -> float:
    """Kullback-Leibler divergence of the clipped values from what the levels leave of them: within
    a level, all occupied bins alike. A value that is very frequent looks worth any clipping that
    gives it a level of its own, so clipping is bounded."""
    inside = (values >= low) & (values <= high)
    clipped = counts[~inside].sum() / max(1, counts.sum())
    if high <= low or clipped > MOST_CLIPPED:
        return 0.0 if high <= low else np.inf
    kept = counts[inside].astype(np.float64)
    level = np.minimum((values[inside] - low) / (high - low) * LEVELS, LEVELS - 1).astype(np.int64)
    sums, sizes = np.bincount(level, kept), np.bincount(level)
    left = sums[level] / sizes[level]
    kept[0] += counts[values < low].sum()
    kept[-1] += counts[values > high].sum()
    kept, left = kept / kept.sum(), left / left.sum()
    return float(kept @ np.log(kept / left))
