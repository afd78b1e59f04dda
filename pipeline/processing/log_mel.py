"""Log-mel maps: the arithmetic of `log_mel`, in float64 (Davis and Mermelstein 1980)."""

import math
from functools import lru_cache

import numpy as np
import numpy.typing as npt

from pipeline.processing.before import LogMel

Doubles = npt.NDArray[np.float64]


def log_mel(samples: np.ndarray, settings: LogMel, rate_hz: int) -> np.ndarray:
    """Maps (N, frames, bands), float32, of audio (N, samples)."""
    windows = np.lib.stride_tricks.sliding_window_view(samples, settings.window, axis=1)
    frames = windows[:, :: settings.hop].astype(np.float64) * hann(settings)
    power = np.abs(np.fft.rfft(frames, settings.transform)) ** 2 / settings.window
    return np.log(power @ bank(settings, rate_hz).T + settings.floor).astype(np.float32)


def hann(settings: LogMel) -> Doubles:
    """The window's weights (window,)."""
    if settings.hann == "symmetric":
        return np.hanning(settings.window)
    return np.hanning(settings.window + 1)[:-1]


@lru_cache(maxsize=8)
def bank(settings: LogMel, rate_hz: int) -> Doubles:
    """Triangles (bands, transform // 2 + 1), each of sum 1; all 0 where a band holds no bin."""
    ends = _mel(settings.lowest_hz), _mel(settings.highest_hz)
    hertz = 700 * (10 ** (np.linspace(ends[0], ends[1], settings.bands + 2) / 2595) - 1)
    edges = hertz * settings.transform / rate_hz
    bins = np.arange(settings.transform // 2 + 1)
    gaps = np.diff(edges)
    rising = (bins - edges[:-2, None]) / gaps[:-1, None]
    falling = (edges[2:, None] - bins) / gaps[1:, None]
    triangles = np.maximum(0, np.minimum(rising, falling))
    sums: Doubles = triangles.sum(axis=1, keepdims=True)
    weights: Doubles = triangles / np.where(sums > 0, sums, 1)
    return weights


def _mel(hertz: float) -> float:
    """O'Shaughnessy (1987), page 150."""
    return 2595 * math.log10(1 + hertz / 700)
