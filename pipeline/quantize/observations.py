"""What observing leaves behind and deciding reads: how often values fall where. No torch."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pipeline.quantize.plan import FloatOperator, WeightQuantization

BINS = 8192


@dataclass(frozen=True)
class Histogram:
    """Counts of values in equal bins over [-radius, radius), with the exact least and greatest.

    The radius is a power of two, so that a histogram grows without rounding: pairs of bins merge.
    """

    radius: float
    counts: NDArray[np.int64]
    least: float
    greatest: float

    @property
    def centres(self) -> NDArray[np.float64]:
        """The middle of every bin."""
        edges = np.linspace(-self.radius, self.radius, BINS + 1, dtype=np.float64)
        return edges[:-1] + self.radius / BINS

    def __add__(self, other: "Histogram") -> "Histogram":
        """Both together. Order doesn't matter."""
        radius = max(self.radius, other.radius)
        counts = self._grown(radius) + other._grown(radius)
        least, greatest = min(self.least, other.least), max(self.greatest, other.greatest)
        return Histogram(radius, counts, least, greatest)

    def _grown(self, radius: float) -> NDArray[np.int64]:
        counts = self.counts
        for _ in range(round(np.log2(radius / self.radius))):
            pairs = counts.reshape(-1, 2).sum(axis=1)
            counts = np.zeros_like(counts)
            counts[BINS // 4 : BINS // 4 + BINS // 2] = pairs
        return counts


def histogram(values: NDArray[np.float32]) -> Histogram:
    """The histogram of finite values, at least one."""
    least, greatest = float(values.min()), float(values.max())
    reach = max(abs(least), abs(greatest), 2.0**-100)
    radius = float(2.0 ** (np.floor(np.log2(reach)) + 1))
    position = (values.ravel().astype(np.float64) + radius) * (BINS / (2 * radius))
    counts = np.bincount(np.minimum(position.astype(np.int64), BINS - 1), minlength=BINS)
    return Histogram(radius, counts, least, greatest)


@dataclass(frozen=True)
class Observations:
    """What was seen.

    Attributes:
        samples: how many calibration samples were run.
        histograms: each group's values; the tensors of a group share one scale.
        groups: the group of every observed tensor, by the tensor's name.
        fixed: scale and zero point of the tensors whose range the operator knows.
        weights: the weights that become int8.
        floats: the operators that no rule covers, with a reason.
        keeps: the nodes that were decided to stay float.
    """

    samples: int
    histograms: Mapping[int, Histogram]
    groups: Mapping[str, int]
    fixed: Mapping[str, tuple[float, int]]
    weights: tuple[WeightQuantization, ...]
    floats: tuple[FloatOperator, ...]
    keeps: tuple[str, ...] = ()
