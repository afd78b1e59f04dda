"""The reference of what is done to inputs: every API must give what this gives, but for rounding.

All arrays have the samples on axis 0. Arithmetic is float32 unless an operation says otherwise.
"""

from collections.abc import Callable, Sequence

import numpy as np

from pipeline.processing.before import (
    CenterCrop,
    Expand,
    Fit,
    Layout,
    Level,
    LogMel,
    Normalize,
    Preprocess,
    Resize,
    Scale,
)
from pipeline.processing.flow import State, flow, start
from pipeline.processing.log_mel import log_mel
from pipeline.processing.sources import Source

INT16 = 32768


def prepare(array: np.ndarray, source: Source, operations: Sequence[Preprocess]) -> np.ndarray:
    """What the model takes, of what the app has.

    Args:
        array: (N, *source.shape), of the source's dtype.
        source: what it is.
        operations: what is done to it, in order. None leaves plain values of any dtype as they
            are; images and audio are float32 in any case.

    Raises:
        Misfit: the operations do not fit the array.
    """
    if not operations and source.source == "values":
        return array
    known = source.model_copy(update=_sizes(source, array.shape[1:]))
    values = _real(array)
    before = start(known)
    for one, after in zip(operations, flow(known, operations), strict=True):
        values = np.ascontiguousarray(STEPS[type(one)](values, one, before))
        before = after
    return values


def _sizes(source: Source, shape: tuple[int, ...]) -> dict[str, object]:
    """The source's free sizes, as this array has them."""
    if source.source == "image":
        return {"height": shape[0], "width": shape[1]}
    return {"samples": shape[0]} if source.source == "audio" else {}


def _real(array: np.ndarray) -> np.ndarray:
    values = array.astype(np.float32)
    return values / np.float32(INT16) if array.dtype == np.int16 else values


def _resize(values: np.ndarray, one: Resize, state: State) -> np.ndarray:
    if one.method == "nearest":
        rows, columns = _nearest(values.shape[1], one.height), _nearest(values.shape[2], one.width)
        return values[:, rows][:, :, columns]
    top, bottom, down = _between(values.shape[1], one.height)
    left, right, along = _between(values.shape[2], one.width)
    down, along = down[:, None, None], along[:, None]
    upper, lower = values[:, top], values[:, bottom]
    above = upper[:, :, left] * (1 - along) + upper[:, :, right] * along
    below = lower[:, :, left] * (1 - along) + lower[:, :, right] * along
    mixed: np.ndarray = above * (1 - down) + below * down
    return mixed


def _nearest(size: int, wanted: int) -> np.ndarray:
    return (2 * np.arange(wanted) + 1) * size // (2 * wanted)


def _between(size: int, wanted: int) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """The neighbours on one axis, and the second one's weight."""
    place = np.clip((np.arange(wanted) + 0.5) * size / wanted - 0.5, 0, size - 1)
    first = np.floor(place).astype(np.int64)
    return first, np.minimum(first + 1, size - 1), (place - first).astype(np.float32)


def _crop(values: np.ndarray, one: CenterCrop, state: State) -> np.ndarray:
    top, left = (values.shape[1] - one.height) // 2, (values.shape[2] - one.width) // 2
    return values[:, top : top + one.height, left : left + one.width]


def _scale(values: np.ndarray, one: Scale, state: State) -> np.ndarray:
    return values * np.float32(one.factor) + np.float32(one.offset)


def _normalize(values: np.ndarray, one: Normalize, state: State) -> np.ndarray:
    shape = [1] * values.ndim
    shape[1 + state.channel_axis] = -1
    mean, std = (np.array(numbers, np.float32).reshape(shape) for numbers in (one.mean, one.std))
    normal: np.ndarray = (values - mean) / std
    return normal


def _layout(values: np.ndarray, one: Layout, state: State) -> np.ndarray:
    return values.transpose((0, 3, 1, 2) if one.to == "CHW" else (0, 2, 3, 1))


def _level(values: np.ndarray, one: Level, state: State) -> np.ndarray:
    power = np.mean(np.square(values, dtype=np.float64), axis=1, keepdims=True)
    level = np.sqrt(power).astype(np.float32)
    return values / np.where(level > 0, level, np.float32(1))


def _fit(values: np.ndarray, one: Fit, state: State) -> np.ndarray:
    spare = one.samples - values.shape[1]
    if spare >= 0:
        return np.pad(values, ((0, 0), (spare // 2, spare - spare // 2)))
    first = -spare // 2
    return values[:, first : first + one.samples]


def _log_mel(values: np.ndarray, one: LogMel, state: State) -> np.ndarray:
    return log_mel(values, one, state.rate_hz or 0)


def _expand(values: np.ndarray, one: Expand, state: State) -> np.ndarray:
    return np.expand_dims(values, 1 + one.axis)


STEPS: dict[type, Callable[..., np.ndarray]] = {
    Resize: _resize,
    CenterCrop: _crop,
    Scale: _scale,
    Normalize: _normalize,
    Layout: _layout,
    Level: _level,
    Fit: _fit,
    LogMel: _log_mel,
    Expand: _expand,
}
"""The arithmetic of each operation, on values whose state before it is given."""
