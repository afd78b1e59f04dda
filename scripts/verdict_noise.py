"""Six shapes of noise, each of a total standard deviation of 5 %, for simulated sittings.

Every model gives latencies of shape (sittings, processes, samples) around 1, in no unit.
"""

import math
from collections.abc import Callable, Mapping

import numpy as np
from scipy.signal import lfilter

SD = 0.05

Samples = np.ndarray
Shape = tuple[int, int, int]
Noise = Callable[[np.random.Generator, Shape], Samples]

_MEMORY = 0.9  # of the autoregression: spells of some ten samples
_SHIFTED = 0.95  # of the variance is the process's own
_UPPER = 0.25  # of the samples are in the slower mode
_WITHIN_MODE = 0.01
_UPPER_THRESHOLD = 0.6744897501960817  # of a standard normal, exceeded by _UPPER
_PARETO = 3.0
_DRIFTING = 0.5  # of the variance is the ramp


def independent(generator: np.random.Generator, shape: Shape) -> Samples:
    """Lognormal, each sample for itself."""
    return np.exp(SD * normal(generator, shape))


def autocorrelated(generator: np.random.Generator, shape: Shape) -> Samples:
    """A first-order autoregression of 0.9 within each process."""
    return np.exp(SD * spells(generator, shape))


def shifted(generator: np.random.Generator, shape: Shape) -> Samples:
    """Each process has a shift of its own: memory layout, a core that is busy or slow."""
    own = math.sqrt(_SHIFTED) * normal(generator, (*shape[:2], 1))
    return np.exp(SD * (own + math.sqrt(1 - _SHIFTED) * normal(generator, shape)))


def bimodal(generator: np.random.Generator, shape: Shape) -> Samples:
    """Two clock rates, changed in spells; a quarter of the samples are in the slower one."""
    upper = spells(generator, shape) > _UPPER_THRESHOLD
    gap = math.sqrt((SD**2 - _WITHIN_MODE**2) / (_UPPER * (1 - _UPPER)))
    return 1 + gap * upper + _WITHIN_MODE * normal(generator, shape)


def heavy_tail(generator: np.random.Generator, shape: Shape) -> Samples:
    """Lomax of shape 3 above a floor: its third moment is already infinite."""
    variance = _PARETO / ((_PARETO - 1) ** 2 * (_PARETO - 2))
    return (1 + SD / math.sqrt(variance) * generator.pareto(_PARETO, shape)).astype(np.float32)


def drifting(generator: np.random.Generator, shape: Shape) -> Samples:
    """The machine slows down or speeds up over the whole sitting; the rest is independent."""
    sittings, processes, samples = shape
    when = np.arange(processes * samples, dtype=np.float32).reshape(1, processes, samples)
    ramp = (when / (processes * samples) - 0.5) * math.sqrt(12 * _DRIFTING)
    way = generator.choice(np.array([-1.0, 1.0], np.float32), (sittings, 1, 1))
    return np.exp(SD * (way * ramp + math.sqrt(1 - _DRIFTING) * normal(generator, shape)))


def normal(generator: np.random.Generator, shape: Shape) -> Samples:
    """Standard normal, float32."""
    return generator.standard_normal(shape, dtype=np.float32)


def spells(generator: np.random.Generator, shape: Shape) -> Samples:
    """Standard normal samples that remember those before them in their process."""
    steps = normal(generator, shape)
    steps[..., 1:] *= math.sqrt(1 - _MEMORY**2)  # the first is of the stationary distribution
    return np.asarray(lfilter([1.0], [1.0, -_MEMORY], steps), np.float32)


MODELS: Mapping[str, Noise] = {
    "independent": independent,
    "autocorrelated": autocorrelated,
    "per-process shifts": shifted,
    "bimodal": bimodal,
    "heavy tail": heavy_tail,
    "drift": drifting,
}
