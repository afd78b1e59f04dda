"""The learning rate over training."""

import math

WARM_UP = 0.3
START, END = 1 / 25, 1e-4


def one_cycle(fraction: float, highest: float) -> float:
    """The learning rate after a fraction, 0 to 1, of training.

    A cosine from 1/25 of the highest rate up to it within the first 30%, then one down to a
    10,000th (Smith and Topin 2018, super-convergence).
    """
    if fraction < WARM_UP:
        return highest * _cosine(START, 1.0, fraction / WARM_UP)
    return highest * _cosine(1.0, END, min(1.0, (fraction - WARM_UP) / (1 - WARM_UP)))


def _cosine(start: float, end: float, fraction: float) -> float:
    return end + (start - end) * (1 + math.cos(math.pi * fraction)) / 2
