"""Fourier transforms, and the two forms of complex numbers."""

from pipeline.graph.operators.entry import Call, Operator, Result


def _transform(call: Call) -> Result:
    """Every frequency has a part of every index, so the transformed dimensions stay whole."""
    value = call.tensor("self")
    labels, rank = list(value.labels), len(value.shape)
    given = call.arguments["dim"]
    for place in range(rank) if given is None else call.integers("dim"):
        call.pin(labels[place], "transforms it")
        labels[place] = None
    return labels


def _as_complex(call: Call) -> Result:
    labels = call.tensor("self").labels
    call.pin(labels[-1], "takes it for real and imaginary parts")
    return labels[:-1]


def _as_real(call: Call) -> Result:
    return [*call.tensor("self").labels, None]


_KINDS = ("fft", "ifft", "rfft", "irfft", "hfft", "ihfft")
_NAMES = [f"fft_{kind}{rank}" for kind in _KINDS for rank in ("", "2", "n")]

RULES = {
    **dict.fromkeys(_NAMES, Operator(_transform)),
    "view_as_complex": Operator(_as_complex),
    "view_as_real": Operator(_as_real),
}
