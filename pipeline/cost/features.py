"""What a site's cost may grow with, before anything is measured: work, traffic and its being there.

Kernels work in tiles, so multiply-accumulates are counted also at widths rounded up to common tile
sizes; a fit with non-negative weights picks those that a runtime has.
"""

from collections.abc import Iterator, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.cost.sites import Extent, Kind

Floats = npt.NDArray[np.float64]
TILES = (4, 8, 16, 32)
_WORK = 1e-6  # features near one for small models: least squares is then well scaled
_TRAFFIC = 1e-4


def extents_at(extents: Sequence[Extent], widths: Floats) -> Floats:
    """Counts for many widths at once, `[n, axes]` to `[n]`."""
    total = np.zeros(len(widths))
    for extent in extents:
        total += extent.count * widths[:, list(extent.axes)].prod(axis=1)
    return total


def describe(kind: Kind, widths: Floats) -> Iterator[tuple[str, Floats]]:
    """Named features of sites of a kind, `[n, axes]` to `[n]` each."""
    owner = kind.operator
    yield f"{owner}: calls", np.ones(len(widths))
    yield f"{owner}: read", extents_at(kind.read, widths) * _TRAFFIC
    yield f"{owner}: written", extents_at(kind.written, widths) * _TRAFFIC
    if not kind.work:
        return
    yield f"{owner}: work", extents_at(kind.work, widths) * _WORK
    given = sorted({axis for extent in kind.written for axis in extent.axes})
    for tile in TILES:
        rounded = rounded_up(widths, tile)
        yield f"{owner}: work by {tile}", extents_at(kind.work, rounded) * _WORK
        out = widths.copy()
        out[:, given] = rounded[:, given]
        yield f"{owner}: work by {tile} out", extents_at(kind.work, out) * _WORK


def rounded_up(widths: Floats, tile: int) -> Floats:
    """The next multiples of a tile."""
    return np.ceil(widths / tile) * tile


def columns(kinds: Mapping[str, Kind]) -> tuple[str, ...]:
    """The names of all features of these kinds, in order."""
    one = {name: np.ones((1, kind.axes)) for name, kind in kinds.items()}
    return tuple(
        dict.fromkeys(key for name, kind in kinds.items() for key, _ in describe(kind, one[name]))
    )
