"""What an app has in hand: the first thing that `preprocess` states of an input."""

from typing import Annotated, Literal

from pydantic import Field

from pipeline.processing.section import Section

Size = Annotated[int, Field(gt=0)]
CHANNELS = {"gray": 1, "rgb": 3, "bgr": 3, "rgba": 4}


class Image(Section):
    """Pixels (height, width, channels), row by row from the top; None is any size."""

    source: Literal["image"] = "image"
    color: Literal["gray", "rgb", "bgr", "rgba"]
    height: Size | None = None
    width: Size | None = None
    dtype: Literal["uint8", "float32"] = "uint8"

    @property
    def shape(self) -> tuple[int, ...]:
        """(height, width, channels), -1 for any."""
        return self.height or -1, self.width or -1, CHANNELS[self.color]


class Audio(Section):
    """One channel of samples (samples,); int16 means real = integer / 32768. None is any length."""

    source: Literal["audio"] = "audio"
    rate_hz: Size
    samples: Size | None = None
    dtype: Literal["int16", "float32"] = "float32"

    @property
    def shape(self) -> tuple[int, ...]:
        """(samples,), -1 for any."""
        return (self.samples or -1,)


class Values(Section):
    """Numbers of a fixed shape, without the batch: what the model takes, or what it is made of."""

    source: Literal["values"] = "values"
    shape: tuple[Size, ...]
    dtype: Literal["float32", "int32", "int64", "uint8", "int8", "bool"] = "float32"


Source = Annotated[Image | Audio | Values, Field(discriminator="source")]
