"""A model's raw outputs on a split, an array for each: gathered batch by batch, and kept as files.

Of the first output, by which runtimes are held against each other, every sample is kept; a second
and further one may be large (a detector's boxes), so that as many samples are as fit.
"""

from collections.abc import Iterable, Sequence
from pathlib import Path

import numpy as np

MOST_BYTES = 64_000_000
"""Of a second and of each further output, but at least one sample."""

Arrays = tuple[np.ndarray, ...]


def gathered(batches: Iterable[Sequence[np.ndarray]]) -> Arrays:
    """The outputs of all batches, stacked over samples on axis 0; none where there is no batch."""
    parts: list[list[np.ndarray]] = []
    for arrays in batches:
        parts = parts or [[] for _ in arrays]
        for index, (held, array) in enumerate(zip(parts, arrays, strict=True)):
            left = len(array) if index == 0 else _most(array) - sum(map(len, held))
            if left > 0:
                held.append(array[:left])
    return tuple(np.concatenate(held) for held in parts)


def _most(array: np.ndarray) -> int:
    return max(1, MOST_BYTES // max(1, array[:1].nbytes))


def save(arrays: Arrays, folder: Path, name: str) -> None:
    """Writes NAME.npy, of a second output NAME.1.npy, and so on."""
    for index, array in enumerate(arrays):
        np.save(_file(folder, name, index), array)


def load(folder: Path, name: str) -> Arrays:
    """What `save` wrote; none where it wrote nothing. Raises OSError and ValueError where a file
    can't be read."""
    found: list[np.ndarray] = []
    while (path := _file(folder, name, len(found))).exists():
        found.append(np.load(path, allow_pickle=False))
    return tuple(found)


def _file(folder: Path, name: str, index: int) -> Path:
    return folder / (f"{name}.{index}.npy" if index else f"{name}.npy")
