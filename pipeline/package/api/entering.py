"""An input's operations as calls: from what the app has to the tensor's values."""

from collections.abc import Callable

from pipeline.package.api.language import Language, flag
from pipeline.package.api.ports import Input, encoded, values_of
from pipeline.package.api.words import input_told
from pipeline.package.interface import InputPort
from pipeline.processing.before import (
    CenterCrop,
    Expand,
    Fit,
    Layout,
    Level,
    LogMel,
    Normalize,
    Resize,
    Scale,
)
from pipeline.processing.flow import State, flow, start
from pipeline.processing.sources import Audio, Image, Values
from targets.errors import ConversionError

NEXT_LINE = "\n            "
"""Calls stand below each other, as they come one after the other."""


def entering(port: InputPort, language: Language) -> Input:
    """An input for the templates.

    Raises ConversionError for a tensor or a source that no generated API can carry.
    """
    values = values_of(port)
    return Input(
        field=port.field,
        told=input_told(port),
        source=_source(port, language),
        values=language.array(values),
        raw=language.array(port.dtype),
        dtype=port.dtype,
        name=port.name,
        shape=port.shape,
        constants=_constants(port, language),
        prepare=_prepared(port, values, language),
        encode=encoded(port, language),
    )


def _source(port: InputPort, language: Language) -> str:
    source = port.source
    if isinstance(source, Image):
        return "Pixels" if source.dtype == "uint8" else "RealPixels"
    return language.array(source.dtype)


def _prepared(port: InputPort, values: str, language: Language) -> str:
    if isinstance(port.source, Values) and not port.preprocess and values != "float32":
        return _whole(port, port.source, values, language)
    states = (start(port.source), *flow(port.source, port.preprocess))
    steps = [
        STEPS[type(one)](language, one, states[index], _constant(port, index))
        for index, one in enumerate(port.preprocess)
    ]
    return NEXT_LINE.join((_real(port, language), *steps, _taken(values)))


def _whole(port: InputPort, source: Values, values: str, language: Language) -> str:
    """Whole numbers as they are: real ones would lose the large."""
    if source.dtype == "float32":
        return f"{_real(port, language)}{_taken(values)}"
    if (source.dtype == "bool") != (values == "bool"):
        raise ConversionError(
            f"'{port.name}' is {port.dtype} and its source is {source.dtype}; "
            "declare a source of the tensor's own kind"
        )
    return f"{source.dtype}As{values.capitalize()}({port.field}, {language.sizes(source.shape)})"


def _real(port: InputPort, language: Language) -> str:
    source, field = port.source, port.field
    if isinstance(source, Image):
        height, width, channels = source.shape
        return f"real({field}, {height}, {width}, {channels})"
    if isinstance(source, Audio):
        scaled = f".scaled({language.float32(1 / 32768)}, {language.float32(0)})"
        return f"audio({field}, {source.shape[0]}){scaled if source.dtype == 'int16' else ''}"
    kind = {"int8": "realOfInt8", "uint8": "realOfUint8"}.get(source.dtype, "real")
    return f"{kind}({field}, {language.sizes(source.shape)})"


def _taken(values: str) -> str:
    return ".values" if values == "float32" else f".as{values.capitalize()}()"


def _constant(port: InputPort, index: int) -> str:
    return f"{port.field}Map{index}"


def _constants(port: InputPort, language: Language) -> dict[str, str]:
    rate_hz = port.source.rate_hz if isinstance(port.source, Audio) else 0
    return {
        _constant(port, index): _log_mel(language, one, rate_hz)
        for index, one in enumerate(port.preprocess)
        if isinstance(one, LogMel)
    }


def _log_mel(language: Language, one: LogMel, rate_hz: int) -> str:
    hertz = f"{language.float64(one.lowest_hz)}, {language.float64(one.highest_hz)}"
    return (
        f"LogMel({one.window}, {one.hop}, {one.transform}, {one.bands}, {hertz}, "
        f"{language.float64(one.floor)}, {flag(one.hann == 'symmetric')}, {rate_hz})"
    )


def _resize(language: Language, one: Resize, state: State, constant: str) -> str:
    return f".resized{one.method.capitalize()}({one.height}, {one.width})"


def _crop(language: Language, one: CenterCrop, state: State, constant: str) -> str:
    return f".croppedToCenter({one.height}, {one.width})"


def _scale(language: Language, one: Scale, state: State, constant: str) -> str:
    return f".scaled({language.float32(one.factor)}, {language.float32(one.offset)})"


def _normalize(language: Language, one: Normalize, state: State, constant: str) -> str:
    axis = max(state.channel_axis, 0)
    return f".normalized({language.floats(one.mean)}, {language.floats(one.std)}, {axis})"


def _layout(language: Language, one: Layout, state: State, constant: str) -> str:
    return ".channelsFirst()" if one.to == "CHW" else ".channelsLast()"


def _level(language: Language, one: Level, state: State, constant: str) -> str:
    return ".levelled()"


def _fit(language: Language, one: Fit, state: State, constant: str) -> str:
    return f".fitted({one.samples})"


def _mapped(language: Language, one: LogMel, state: State, constant: str) -> str:
    return f".mapped({constant})"


def _expand(language: Language, one: Expand, state: State, constant: str) -> str:
    return f".expanded({one.axis})"


STEPS: dict[type, Callable[..., str]] = {
    Resize: _resize,
    CenterCrop: _crop,
    Scale: _scale,
    Normalize: _normalize,
    Layout: _layout,
    Level: _level,
    Fit: _fit,
    LogMel: _mapped,
    Expand: _expand,
}
"""The call of each operation, behind the values that it is given."""
