"""What the values are after each operation: their shape, and which axis is the channels'.

Operations that do not fit each other are found here, before anything is computed; and every API
that is generated reads the shapes of its buffers off here.
"""

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

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
from pipeline.processing.log_mel import bank
from pipeline.processing.sources import Audio, Image, Source

ANY = -1
MOST_VALUES = 2**25
"""At any point, for one sample: what comes from elsewhere may declare anything."""


class Misfit(ValueError):
    """Operations that do not fit; `index` is the one that does not, counted from 0."""

    def __init__(self, index: int, told: str) -> None:
        super().__init__(told)
        self.index = index


@dataclass(frozen=True)
class State:
    """The values at one point, for one sample.

    Attributes:
        shape: without the batch; -1 for any.
        layout: "HWC" or "CHW" of an image, "T" of audio; "" of anything else.
        rate_hz: of audio.
    """

    shape: tuple[int, ...]
    layout: str = ""
    rate_hz: int | None = None

    @property
    def channel_axis(self) -> int:
        """The axis that channels lie on; the last one of what is no image."""
        return self.layout.index("C") if "C" in self.layout else len(self.shape) - 1

    def __str__(self) -> str:
        sizes = ", ".join("any" if size == ANY else str(size) for size in self.shape)
        kind = {"HWC": "an image ", "CHW": "an image ", "T": "audio "}.get(self.layout, "values ")
        return f"{kind}[{sizes}]{f' as {self.layout}' if self.layout not in ('', 'T') else ''}"


def start(source: Source) -> State:
    """The state of what the app hands over."""
    if isinstance(source, Image):
        return State(source.shape, "HWC")
    if isinstance(source, Audio):
        return State(source.shape, "T", source.rate_hz)
    return State(source.shape)


def flow(source: Source, operations: Sequence[Preprocess]) -> tuple[State, ...]:
    """The state after each operation; Misfit where one can't take what it would be given."""
    states, state = [], start(source)
    for index, one in enumerate(operations):
        try:
            after = STEPS[type(one)](state, one)
            _bounded(math.prod(size for size in after.shape if size != ANY))
        except ValueError as error:
            raise Misfit(index, f"{one.op} can't take {state}: {error}") from None
        states.append(state := after)
    return tuple(states)


def _bounded(count: int) -> None:
    if count > MOST_VALUES:
        raise ValueError(f"it would make {count:,} values; allowed: at most {MOST_VALUES:,}")


def _image(state: State, layout: str = "HWC") -> None:
    if state.layout != layout:
        raise ValueError(f"it takes an image as {layout}")


def _audio(state: State) -> None:
    if state.layout != "T":
        raise ValueError("it takes audio")


def _resized(state: State, one: Resize) -> State:
    _image(state)
    return replace(state, shape=(one.height, one.width, state.shape[2]))


def _cropped(state: State, one: CenterCrop) -> State:
    _image(state)
    for found, wanted in zip(state.shape, (one.height, one.width), strict=False):
        if found == ANY:
            raise ValueError("its size must be known; resize first")
        if found < wanted:
            raise ValueError(f"it is smaller than {one.height} x {one.width}")
    return replace(state, shape=(one.height, one.width, state.shape[2]))


def _same(state: State, one: Scale) -> State:
    return state


def _normalized(state: State, one: Normalize) -> State:
    channels = state.shape[state.channel_axis] if state.shape else 1
    for name, numbers in (("mean", one.mean), ("std", one.std)):
        if len(numbers) not in (1, channels):
            told = f"{name} has {len(numbers)} numbers; allowed: 1"
            raise ValueError(
                f"{told} or {channels}, one for each channel" if channels > 1 else told
            )
    return state


def _laid_out(state: State, one: Layout) -> State:
    _image(state, "HWC" if one.to == "CHW" else "CHW")
    first, second, third = state.shape
    turned = (third, first, second) if one.to == "CHW" else (second, third, first)
    return replace(state, shape=turned, layout=one.to)


def _levelled(state: State, one: Level) -> State:
    _audio(state)
    return state


def _fitted(state: State, one: Fit) -> State:
    _audio(state)
    return replace(state, shape=(one.samples,))


def _mapped(state: State, one: LogMel) -> State:
    _audio(state)
    samples, rate = state.shape[0], state.rate_hz or 0
    if one.window > one.transform:
        raise ValueError(f"window {one.window} is longer than transform {one.transform}")
    if not one.lowest_hz < one.highest_hz <= rate / 2:
        raise ValueError(
            f"lowest_hz {one.lowest_hz:g} and highest_hz {one.highest_hz:g}; allowed: rising, up "
            f"to half the rate, {rate / 2:g}"
        )
    if samples == ANY:
        raise ValueError("its length must be known; fit first")
    if samples < one.window:
        raise ValueError(f"it is shorter than the window of {one.window}")
    frames = 1 + (samples - one.window) // one.hop
    _bounded(max(frames, one.bands) * one.transform)
    if not bank(one, rate).any(axis=1).all():
        raise ValueError(f"{one.bands} bands are too many: some hold no bin of the transform")
    return State((frames, one.bands))


def _expanded(state: State, one: Expand) -> State:
    if one.axis > len(state.shape):
        raise ValueError(f"axis {one.axis}; allowed: 0 to {len(state.shape)}")
    shape = (*state.shape[: one.axis], 1, *state.shape[one.axis :])
    return State(shape, {(3, 0): "CHW", (3, 2): "HWC"}.get((len(shape), one.axis), ""))


STEPS: dict[type, Callable[..., State]] = {
    Resize: _resized,
    CenterCrop: _cropped,
    Scale: _same,
    Normalize: _normalized,
    Layout: _laid_out,
    Level: _levelled,
    Fit: _fitted,
    LogMel: _mapped,
    Expand: _expanded,
}
"""What each operation does to a state; ValueError says why it can't."""
