"""The reference of what is done to outputs: every API must give what this gives, but for rounding.

All arrays have the samples on axis 0. Arithmetic is float32.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Postprocess, Softmax, TopK
from pipeline.processing.boxes import Detections, detect


@dataclass(frozen=True)
class Ranked:
    """The largest of each sample's values, largest first: indices and scores, both (N, k)."""

    indices: np.ndarray
    scores: np.ndarray


@dataclass(frozen=True)
class Mask:
    """The class at each place: (N, H, W), int32."""

    classes: np.ndarray


Result = np.ndarray | Ranked | Mask | tuple[Detections, ...]
"""What an output comes to: values (N, ...), or what its last operation makes, sample by sample."""


def finish(
    arrays: Sequence[np.ndarray], operations: Sequence[Sequence[Postprocess]]
) -> tuple[Result | None, ...]:
    """What an app gets, for each output; None for one that another output's boxes used up.

    Args:
        arrays: each output's values, samples on axis 0.
        operations: what is done to each, in order; none leaves its values as they are.
    """
    used = {one.scores for chain in operations for one in chain if isinstance(one, DecodeBoxes)}
    return tuple(
        None if index in used else _finished(index, arrays, operations)
        for index in range(len(operations))
    )


def _finished(
    index: int, arrays: Sequence[np.ndarray], operations: Sequence[Sequence[Postprocess]]
) -> Result:
    values = arrays[index]
    for one in operations[index]:
        match one:
            case Softmax():
                values = softmax(values, one.axis)
            case TopK():
                return top_k(values, one.k)
            case ArgmaxMask():
                axis = one.axis if one.axis < 0 else one.axis + 1
                return Mask(np.argmax(values, axis=axis).astype(np.int32))
            case DecodeBoxes():
                scores = None if one.scores is None else _scores(one.scores, arrays, operations)
                return detect(values, scores, one)
    return values


def _scores(
    index: int, arrays: Sequence[np.ndarray], operations: Sequence[Sequence[Postprocess]]
) -> np.ndarray:
    """The scores of another output's boxes: as they are, or by the softmax that they declare."""
    values = arrays[index]
    for one in operations[index]:
        values = softmax(values, one.axis) if isinstance(one, Softmax) else values
    return values


def softmax(values: np.ndarray, axis: int) -> np.ndarray:
    """exp(x - max) / sum over an axis of each sample: the first (0) or the last (-1)."""
    axis = axis if axis < 0 else axis + 1
    real = values.astype(np.float32)
    powers = np.exp(real - real.max(axis=axis, keepdims=True))
    shares: np.ndarray = powers / powers.sum(axis=axis, keepdims=True)
    return shares


def top_k(values: np.ndarray, k: int) -> Ranked:
    """The k largest of each row of (N, C), or all C where there are fewer."""
    indices = np.argsort(-values, axis=1, kind="stable")[:, :k]
    return Ranked(indices, np.take_along_axis(values, indices, axis=1))
