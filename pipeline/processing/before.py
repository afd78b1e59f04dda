"""Operations on an input: from what the app has to what the model takes, for one sample.

Arrays have no batch axis. The first operation gets the source's values as float32 (audio of int16
divided by 32768), and each one hands float32 on; `prepare.py` defines the arithmetic.
"""

from typing import Annotated, Literal

from pydantic import Field, field_validator

from pipeline.processing.section import Section
from pipeline.processing.sources import Size

Positive = Annotated[float, Field(gt=0)]


class Resize(Section):
    """Image (H, W, C) to (height, width, C); pixels are sampled at their centres.

    The source's coordinate of target i is (i + 0.5) * from / to - 0.5. "bilinear" clamps it to the
    image and weighs the four neighbours, without antialiasing (torch's `interpolate` with
    align_corners=False, TensorFlow's half_pixel_centers); "nearest" takes floor((i + 0.5) * from
    / to), in whole numbers (torch's nearest-exact).
    """

    op: Literal["resize"] = "resize"
    height: Size
    width: Size
    method: Literal["nearest", "bilinear"] = "bilinear"


class CenterCrop(Section):
    """The middle (height, width) of an image (H, W, C); of an odd rest the end loses one more."""

    op: Literal["center_crop"] = "center_crop"
    height: Size
    width: Size


class Scale(Section):
    """value * factor + offset; the factor is not 0."""

    op: Literal["scale"] = "scale"
    factor: float
    offset: float = 0.0
    fold: bool = False

    @field_validator("factor")
    @classmethod
    def _can_be_undone(cls, factor: float) -> float:
        if not factor:
            raise ValueError("found 0; allowed: any other number")
        return factor


class Normalize(Section):
    """(value - mean) / std by channel; one number counts for all channels."""

    op: Literal["normalize"] = "normalize"
    mean: tuple[float, ...] = Field(min_length=1)
    std: tuple[Positive, ...] = Field(min_length=1)
    fold: bool = False


class Layout(Section):
    """An image's axes in another order: "CHW" from (H, W, C), "HWC" from (C, H, W)."""

    op: Literal["layout"] = "layout"
    to: Literal["CHW", "HWC"]
    fold: bool = False


class Level(Section):
    """Audio divided by its root mean square, summed in float64; silence stays as it is."""

    op: Literal["level"] = "level"


class Fit(Section):
    """Audio of exactly `samples`: zeros at both ends, or both ends lost; of an odd rest the end
    has one more."""

    op: Literal["fit"] = "fit"
    samples: Size


class LogMel(Section):
    """Audio (samples,) to a map (frames, bands): log(bank @ power + floor), natural logarithm.

    Frames of `window` samples every `hop`, without padding; times a symmetric Hann window
    (numpy.hanning), or a periodic one; power |FFT|^2 / window, zero-filled to `transform`; then
    triangular bands between lowest_hz and highest_hz of equal width on the mel scale
    2595 log10(1 + f/700) (O'Shaughnessy 1987), each of sum 1 over the bins. Computed in float64.
    """

    op: Literal["log_mel"] = "log_mel"
    window: Size
    hop: Size
    transform: Size
    bands: Size
    lowest_hz: Annotated[float, Field(ge=0)]
    highest_hz: Positive
    floor: Positive
    hann: Literal["symmetric", "periodic"] = "symmetric"


class Expand(Section):
    """A new axis of size 1, at this place."""

    op: Literal["expand"] = "expand"
    axis: Annotated[int, Field(ge=0)] = 0


Preprocess = Annotated[
    Resize | CenterCrop | Scale | Normalize | Layout | Level | Fit | LogMel | Expand,
    Field(discriminator="op"),
]
