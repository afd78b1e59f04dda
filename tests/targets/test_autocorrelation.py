"""Samples that hang together are told from those that do not."""

import numpy as np
import pytest

from targets.autocorrelation import autocorrelation


def test_independent_samples_have_none() -> None:
    found = autocorrelation(np.random.default_rng(0).standard_normal(4000).tolist())
    assert abs(found) < 3 / np.sqrt(4000)  # its standard error


def test_spells_are_seen_through_an_interrupted_sample() -> None:
    noise = np.random.default_rng(0).standard_normal(4000)
    for i in range(1, len(noise)):
        noise[i] += 0.9 * noise[i - 1]
    noise[2000] = 1e9
    # Spearman's of a normal pair is 6/pi arcsin(0.9 / 2) = 0.89.
    assert autocorrelation(noise.tolist()) == pytest.approx(0.89, abs=0.03)


@pytest.mark.parametrize("samples", [(), (1,), (1, 2), (5,) * 100])
def test_too_few_or_all_equal_have_none(samples: tuple[int, ...]) -> None:
    assert autocorrelation(samples) == 0.0
