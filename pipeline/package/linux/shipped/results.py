"""What an app is given for one sample.

SPDX-License-Identifier: Apache-2.0
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np


@dataclass(frozen=True)
class Classification:
    """A class: its index, its score, and its name where there is one."""

    index: int
    score: float
    label: str | None


@dataclass(frozen=True)
class Detection:
    """An object: its box in the model's units, its score and its class."""

    left: float
    top: float
    right: float
    bottom: float
    score: float
    index: int
    label: str | None


@dataclass(frozen=True)
class Mask:
    """The class at each place, (height, width), and the classes' names where there are some."""

    classes: np.ndarray
    labels: tuple[str, ...]


def named(labels: tuple[str, ...], index: int) -> str | None:
    """A class's name, where there is one."""
    return labels[index] if index < len(labels) else None
