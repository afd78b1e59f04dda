"""What comments in a generated API tell of inputs and outputs, in one line each."""

import re

from pipeline.package.interface import InputPort, OutputPort, Port
from pipeline.processing.after import ArgmaxMask, DecodeBoxes, Softmax, TopK
from pipeline.processing.sources import Audio, Image

COLORS = {"gray": "gray", "rgb": "red-green-blue", "bgr": "blue-green-red", "rgba": "RGBA"}


def comment(text: str) -> str:
    """Text from outside as a comment may hold it: one line, which ends no comment."""
    line = " ".join(text.split()).replace("*/", "* /").replace("/*", "/ *")
    return re.sub(r"[^\x20-\x7e\xa0-\ud7ff]", "?", line)


def input_told(port: InputPort) -> str:
    """What an app hands over."""
    source = port.source
    if isinstance(source, Image):
        height, width, _ = source.shape
        size = f"{_any(width)} x {_any(height)} pixels" if (height, width) != (-1, -1) else ""
        return f"an image, {COLORS[source.color]}, {size or 'of any size'}"
    if isinstance(source, Audio):
        unit = "between -1 and 1" if source.dtype == "float32" else "16 bits each"
        return f"{_any(source.shape[0])} samples of audio at {source.rate_hz} Hz, {unit}"
    return f"values of shape {_shape(source.shape)}, row by row"


def output_told(port: OutputPort) -> str:
    """What an app gets."""
    match port.postprocess[-1:]:
        case (Softmax(),):
            return f"shares that sum to 1, of shape {_shape(port.shape[1:])}"
        case (TopK(k=k),):
            return f"the {k} surest classes, the surest first"
        case (ArgmaxMask(),):
            return "the class at each place"
        case (DecodeBoxes(most=most),):
            return f"at most {most} objects, the surest first"
    return f"values of shape {_shape(port.shape[1:])}, row by row"


def tensor_told(port: Port) -> str:
    """A tensor, for whoever looks for it in the model."""
    return comment(f"'{port.name}', {port.dtype}, {_shape(port.shape)}")


def _shape(sizes: tuple[int, ...]) -> str:
    return " x ".join(str(size) for size in sizes) or "one"


def _any(size: int) -> str:
    return "any number of" if size == -1 else str(size)
