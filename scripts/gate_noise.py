"""Shapes of noise between processes, for simulated sessions of the regression gate.

Every model gives the log of each process's own quantile for two sides of equal speed, each of
shape (sessions, pairs).
"""

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
from verdict_noise import MODELS as WITHIN
from verdict_noise import Noise

SAMPLES = 100
UNLUCKY = 0.15  # of processes, as were seen of one runtime on a virtual machine
UNLUCKY_BY = math.log(1.3)

Sides = tuple[np.ndarray, np.ndarray]
Pairs = Callable[[np.random.Generator, int, int], Sides]


@dataclass(frozen=True)
class Within:
    """Samples of a shape of noise; the process's quantile is its median."""

    noise: Noise

    def __call__(self, generator: np.random.Generator, sessions: int, pairs: int) -> Sides:
        """Both sides."""
        return self._side(generator, sessions, pairs), self._side(generator, sessions, pairs)

    def _side(self, generator: np.random.Generator, sessions: int, pairs: int) -> np.ndarray:
        samples = self.noise(generator, (sessions, pairs, SAMPLES))
        return np.asarray(
            np.log(np.partition(samples, SAMPLES // 2 - 1, -1)[..., SAMPLES // 2 - 1])
        )


@dataclass(frozen=True)
class Starts:
    """Processes of a scatter of their own, some of them unlucky; `slow_spell` is of all pairs."""

    scatter: float
    unlucky: float = 0.0
    slow_spell: float = 0.0

    def __call__(self, generator: np.random.Generator, sessions: int, pairs: int) -> Sides:
        """Both sides."""
        spell = math.log(2) * (generator.random((sessions, pairs)) < self.slow_spell)
        a, b = (self._side(generator, sessions, pairs) + spell for _ in range(2))
        return a, b

    def _side(self, generator: np.random.Generator, sessions: int, pairs: int) -> np.ndarray:
        unlucky = generator.random((sessions, pairs)) < self.unlucky
        own = self.scatter * generator.standard_normal((sessions, pairs))
        return np.asarray(own + UNLUCKY_BY * unlucky)


MODELS: Mapping[str, Pairs] = {
    **{name: Within(noise) for name, noise in WITHIN.items()},
    "scatter of 2%": Starts(0.02),
    "scatter of 5%": Starts(0.05),
    "scatter of 8%": Starts(0.08),
    "2%, slow spells": Starts(0.02, slow_spell=0.3),
    "2%, unlucky starts": Starts(0.02, UNLUCKY),
    "5%, unlucky starts": Starts(0.05, UNLUCKY),
}
