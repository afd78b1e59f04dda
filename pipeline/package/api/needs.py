"""Which files of functions the calls of an interface need."""

from pipeline.package.interface import Interface
from pipeline.processing.after import DecodeBoxes, Softmax
from pipeline.processing.before import CenterCrop, Fit, Level, LogMel, Resize
from pipeline.processing.sources import Audio, Image

ALWAYS = ("Real", "Entering", "Leaving")


def needs(interface: Interface) -> tuple[str, ...]:
    """The names of the files, the same in every language."""
    before = [one for port in interface.inputs for one in port.preprocess]
    after = [one for port in interface.outputs for one in port.postprocess]
    sources = [port.source for port in interface.inputs]
    parts = {
        "Pixels": any(isinstance(one, Image) for one in sources),
        "Images": any(isinstance(one, Resize | CenterCrop) for one in before),
        "Audio": any(isinstance(one, Audio) for one in sources)
        or any(isinstance(one, Level | Fit) for one in before),
        "Spectra": any(isinstance(one, LogMel) for one in before),
        "Classes": bool(after),
        "Boxes": any(isinstance(one, DecodeBoxes) for one in after),
        "Labels": any(not isinstance(one, Softmax) for one in after),
    }
    return (*ALWAYS, *(name for name, needed in parts.items() if needed))
