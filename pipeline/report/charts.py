"""The geometry of the page's charts: plain numbers that the templates draw as SVG.

Positions are percent of a chart's width, so that a chart reflows without scaling its text.
"""

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

BINS = 240
LIMIT_AT = 75.0
"""Where a bullet bar draws the limit, in percent of its width: room to see an overrun."""

Processes = Sequence[npt.NDArray[np.float64]]
"""One artifact's latencies in ms, an array for each process."""


@dataclass(frozen=True)
class Lane:
    """One process: its density as an SVG path in a BINS×1 box, and its quantiles in percent."""

    path: str
    p50: float
    p95: float


@dataclass(frozen=True)
class Tick:
    """A mark on the axis."""

    at: float
    text: str


@dataclass(frozen=True)
class Distribution:
    """The latencies of the dense and the final artifact on one axis that begins at 0."""

    dense: tuple[Lane, ...]
    final: tuple[Lane, ...]
    ticks: tuple[Tick, ...]
    beyond: int
    samples: int
    budget_at: float | None


def distribution(dense: Processes, final: Processes, budget_ms: float | None) -> Distribution:
    """Lays both artifacts' samples out.

    The axis ends past every process's p99, so that a few stragglers do not flatten the rest;
    `beyond` counts them. A budget of more than twice the range is off the chart.
    """
    every = [*dense, *final]
    reach = max(float(np.quantile(samples, 0.99, method="inverted_cdf")) for samples in every)
    if budget_ms is not None and budget_ms <= 2 * reach:
        reach = max(reach, budget_ms)
    ticks, end = axis(reach * 1.04)
    return Distribution(
        dense=tuple(_lane(samples, end) for samples in dense),
        final=tuple(_lane(samples, end) for samples in final),
        ticks=ticks,
        beyond=int(sum(np.count_nonzero(samples > end) for samples in every)),
        samples=sum(len(samples) for samples in every),
        budget_at=100 * budget_ms / end if budget_ms is not None and budget_ms <= end else None,
    )


def axis(reach: float) -> tuple[tuple[Tick, ...], float]:
    """Round marks from 0 to beyond `reach`, four to six of them, and where the axis ends."""
    exact = reach / 4
    magnitude = 10.0 ** math.floor(math.log10(exact))
    step = max(s * magnitude for s in (1, 2, 2.5, 5) if s * magnitude <= exact * (1 + 1e-9))
    count = math.ceil(reach / step)
    end = step * count
    texts = (f"{step * index:.9f}".rstrip("0").rstrip(".") for index in range(count + 1))
    return tuple(Tick(100 * i / count, text) for i, text in enumerate(texts)), end


def _lane(samples: npt.NDArray[np.float64], end: float) -> Lane:
    counts, _ = np.histogram(samples, bins=BINS, range=(0.0, end))
    tallest = max(1, int(counts.max()))
    heights = [round(float(1 - count / tallest), 3) for count in counts]
    p50, p95 = (
        100 * float(np.quantile(samples, q, method="inverted_cdf")) / end for q in (0.5, 0.95)
    )
    return Lane(_outline(heights), min(100.0, p50), min(100.0, p95))


def _outline(heights: Sequence[float]) -> str:
    """A closed step outline; runs of one height become one segment."""
    parts = ["M0 1"]
    for index, height in enumerate(heights):
        if index == 0 or height != heights[index - 1]:
            parts.append(f"H{index}V{height:g}")
    return "".join([*parts, f"H{len(heights)}V1Z"])


@dataclass(frozen=True)
class Bullet:
    """The use of a limit: a bar's width in percent, the share itself, and whether it is cut off."""

    width: float
    share: float
    cut: bool


def bullet(observed: float, budget: float) -> Bullet:
    """A bar whose limit is drawn at LIMIT_AT; what is better than nothing lost has no width."""
    share = max(0.0, observed / budget)
    width = share * LIMIT_AT
    return Bullet(min(100.0, width), share, width > 100.0)


@dataclass(frozen=True)
class Curve:
    """Points as an SVG polyline in a 100×100 box, with the range of its values."""

    points: str
    low: float
    high: float
    marked: tuple[float, float] | None


def curve(values: Sequence[float], marked: int | None) -> Curve:
    """A line through values at equal distances; `marked` is the index of the point to mark."""
    low, high = min(values), max(values)
    span = (high - low) or 1.0
    across = max(1, len(values) - 1)
    points = [
        (100 * index / across, 92 - 84 * (value - low) / span) for index, value in enumerate(values)
    ]
    text = " ".join(f"{x:.2f},{y:.2f}" for x, y in points)
    return Curve(text, low, high, None if marked is None else points[marked])
