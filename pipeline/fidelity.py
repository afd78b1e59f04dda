"""How faithfully an artifact computes what the quantized torch graph does, at its outputs and at
each of its 8-bit tensors.

An artifact's tensor is known by its scale and zero point, which are those of the plan; of several
with the same ones it is the one whose values fit best, in whichever layout they do.
"""

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pipeline.quantize.layers import Layer as Reference
from targets.layers import Layer

SCALE_TOLERANCE = 1e-4
"""Runtimes keep float32 scales, some as the ends of a range: a few roundings of 6e-8 each."""

Array = NDArray[np.float32]


@dataclass(frozen=True)
class Fidelity:
    """One 8-bit tensor of the quantized torch graph, and what became of it in an artifact.

    Attributes:
        tensor: the torch graph's name for it.
        name: the artifact's.
        sqnr_db: the signal's power over the difference's, in dB; infinite where they are equal.
        differing: the share of its values that are another integer.
        furthest: the largest difference, in integers.
    """

    tensor: str
    name: str
    sqnr_db: float
    differing: float
    furthest: int


def sqnr_db(reference: NDArray[np.floating], found: NDArray[np.floating]) -> float:
    """10·log10(Σ reference² / Σ (reference - found)²); infinite where both are equal.

    Raises ValueError where the shapes differ.
    """
    if reference.shape != found.shape:
        raise ValueError(f"equal shapes are compared; found {reference.shape}, {found.shape}")
    exact = reference.astype(np.float64)
    noise = float(np.sum((exact - found) ** 2))
    signal = float(np.sum(exact**2))
    if noise == 0:
        return math.inf
    return 10 * math.log10(signal / noise) if signal else -math.inf


def worst_sqnr_db(
    references: Sequence[NDArray[Any]], outputs: Sequence[NDArray[Any]]
) -> tuple[float, int]:
    """The least SQNR of any output, and which it is; over the samples that both sides kept.

    Outputs that are integers by their meaning, such as a class, are left out beside others.
    Raises ValueError where the outputs are others in number or in shape.
    """
    if len(references) != len(outputs):
        raise ValueError(f"as many outputs are compared; found {len(references)}, {len(outputs)}")
    values = [index for index, one in enumerate(references) if one.dtype.kind == "f"]
    found = [(_over_both(references[index], outputs[index]), index) for index in values or [0]]
    return min(found, key=lambda one: -math.inf if math.isnan(one[0]) else one[0])


def _over_both(reference: NDArray[Any], found: NDArray[Any]) -> float:
    count = min(len(reference), len(found))
    return sqnr_db(reference[:count], found[:count])


def compare(references: Sequence[Reference], layers: Sequence[Layer]) -> tuple[Fidelity, ...]:
    """Each of the artifact's tensors beside the torch graph's, in the torch graph's order.

    Tensors of which either side has no counterpart (a runtime fuses some away) are left out; of
    several of the artifact's for one of the torch graph's, the one that fits best is told.
    """
    best: dict[str, Fidelity] = {}
    for layer in layers:
        fits = [fit for one in references if (fit := _fit(one, layer)) is not None]
        if not fits:
            continue
        fit = max(fits, key=lambda one: one.sqnr_db)
        if fit.tensor not in best or fit.sqnr_db > best[fit.tensor].sqnr_db:
            best[fit.tensor] = fit
    return tuple(best[one.tensor] for one in references if one.tensor in best)


def first_below(found: Sequence[Fidelity], least_db: float) -> Fidelity | None:
    """The first tensor, in the order of execution, that is less faithful than this."""
    return next((one for one in found if one.sqnr_db < least_db), None)


def _fit(reference: Reference, layer: Layer) -> Fidelity | None:
    same = layer.zero_point == reference.zero_point and math.isclose(
        layer.scale, reference.scale, rel_tol=SCALE_TOLERANCE
    )
    if not same or layer.values.size != reference.integers.size:
        return None
    expected = reference.values.reshape(len(reference.integers), -1)
    found = max(_layouts(layer.values), key=lambda values: sqnr_db(expected, values))
    apart = np.rint(np.abs(expected - found) / reference.scale)
    return Fidelity(
        tensor=reference.tensor,
        name=layer.name,
        sqnr_db=sqnr_db(expected, found),
        differing=float(np.mean(apart > 0)),
        furthest=int(apart.max(initial=0)),
    )


def _layouts(values: Array) -> Iterator[Array]:
    """The values of each sample in a row: as they lie, and with the last axis as channels."""
    yield values.reshape(len(values), -1)
    if values.ndim > 2:
        yield np.moveaxis(values, -1, 1).reshape(len(values), -1)
