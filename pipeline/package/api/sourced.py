"""The inputs that a golden test prepares from what an app has."""

from collections.abc import Mapping

from pipeline.package.api.ports import Input
from pipeline.package.contents import Delivery
from pipeline.package.interface import InputPort
from pipeline.processing.sources import Values

ROUNDING = 1e-4
"""Of the largest value: a few hundred roundings to float32, and a phone's own logarithm."""

Sourced = tuple[int, Input, str]
"""An input's index, the input, and the call that reads one sample of what the app has."""


def sourced(
    delivery: Delivery, inputs: tuple[Input, ...], reads: Mapping[str, str], pixels: str
) -> list[Sourced]:
    """The inputs that are made of what an app has, where the golden vectors hold their sources:
    with operations, or of images and audio, whose integers become real ones in any case.

    Args:
        delivery: whose golden vectors.
        inputs: as the templates write them.
        reads: the method of a .npy file's reader for each type of array.
        pixels: how an image is made: of its type, its file and the method that reads its values.
    """
    if not delivery.golden.sources:
        return []
    return [
        (index, port, _read(f"source{index}", port.source, reads, pixels))
        for index, port in enumerate(inputs)
        if _is_made(delivery.interface.inputs[index])
    ]


def _is_made(port: InputPort) -> bool:
    return bool(port.preprocess) or not isinstance(port.source, Values)


def _read(file: str, kind: str, reads: Mapping[str, str], pixels: str) -> str:
    if kind in reads:
        return f"{file}.{reads[kind]}(sample)"
    method = "bytes" if kind == "Pixels" else "floats"
    return pixels.format(kind=kind, file=file, method=method)
