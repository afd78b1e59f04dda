"""The model, its operators and golden vectors as C++ source for tflite-micro."""

import re
from collections.abc import Iterator
from dataclasses import dataclass
from math import prod

import numpy as np
from jinja2 import Environment, PackageLoader, StrictUndefined, select_autoescape

from pipeline.package.contents import Delivery
from pipeline.package.interface import Port
from pipeline.package.mcu.arena import MARGIN_PERCENT, Interpreted
from pipeline.package.mcu.operators import RESOLVER
from targets.artifact import TensorSpec

SOURCES = ("model.h", "model.cc", "operators.h", "golden.h", "golden.cc", "self_test.cc")
GOLDEN_BYTES = 65_536
"""Of golden vectors in the source, at most, but at least one sample: they take up flash."""
_PER_LINE = 16
_TYPES = {"float32": "float", "float64": "double", "bool": "bool"}


@dataclass(frozen=True)
class _Port:
    """An input or output as the templates write it.

    Each of its constants is `k`, its name and a word. No such word ends with another one, so that
    names that differ make constants that differ.
    """

    name: str
    field: str
    index: int
    type: str
    told: str
    elements: int
    scale: str | None
    zero_point: int | None
    golden: tuple[str, ...]
    tolerance: str | None = None


def sources(delivery: Delivery, seen: Interpreted) -> dict[str, bytes]:
    """The files of src/, by path.

    `model.h` tells what the model needs and what its ends mean, `model.cc` has its bytes,
    `operators.h` the resolver, `golden.h` and `.cc` the golden vectors in the model's own numbers,
    and `self_test.cc` is an example that runs them.
    """
    samples = _samples(delivery)
    inputs, outputs = _inputs(delivery, samples), _outputs(delivery, samples)
    used = seen.file.operators
    facts = {
        "title": delivery.title,
        "guard": delivery.interface.module.upper(),
        "space": delivery.interface.module,
        "runtime": f"checked with tflite-micro {seen.version}",
        "sha256": delivery.artifact.sha256,
        "model_bytes": delivery.artifact.path.stat().st_size,
        "model": "".join(_lines(np.frombuffer(delivery.artifact.path.read_bytes(), np.uint8))),
        "least_bytes": seen.least_bytes,
        "arena_bytes": seen.recommended_bytes,
        "margin": MARGIN_PERCENT,
        "methods": sorted(RESOLVER[one] for one in used if one in RESOLVER),
        "unknown": [_plain(one) for one in used if one not in RESOLVER],
        "samples": samples,
        "inputs": inputs,
        "outputs": outputs,
        "ports": (*inputs, *outputs),
    }
    templates = _environment()
    return {
        f"src/{name}": templates.get_template(f"{name}.j2").render(**facts).encode()
        for name in SOURCES
    }


def _environment() -> Environment:
    return Environment(
        loader=PackageLoader("pipeline.package.mcu"),
        undefined=StrictUndefined,
        autoescape=select_autoescape(()),  # it makes C++, which has none of HTML's escapes
        keep_trailing_newline=True,
    )


def _samples(delivery: Delivery) -> int:
    """How many golden samples fit into GOLDEN_BYTES."""
    specs = (*delivery.artifact.inputs, *delivery.artifact.outputs)
    each = sum(prod(one.shape) * np.dtype(one.dtype).itemsize for one in specs)
    return max(1, min(len(delivery.golden.inputs[0]), GOLDEN_BYTES // each))


def _inputs(delivery: Delivery, samples: int) -> tuple[_Port, ...]:
    ends = zip(
        delivery.interface.inputs, delivery.artifact.inputs, delivery.golden.inputs, strict=True
    )
    return tuple(
        _port(_name(delivery, "Input", port), index, port, spec, golden[:samples])
        for index, (port, spec, golden) in enumerate(ends)
    )


def _outputs(delivery: Delivery, samples: int) -> tuple[_Port, ...]:
    artifact, golden = delivery.artifact, delivery.golden
    ends = zip(
        delivery.interface.outputs,
        artifact.outputs,
        golden.outputs,
        golden.tolerances(artifact),
        strict=True,
    )
    return tuple(
        _port(
            _name(delivery, "Output", port),
            index,
            port,
            spec,
            array[:samples],
            1.0 if spec.quantization else tolerance,
        )
        for index, (port, spec, array, tolerance) in enumerate(ends)
    )


def _name(delivery: Delivery, kind: str, port: Port) -> str:
    """What a port's constants are called by: inputs and outputs share one namespace, and where two
    of them share a name, all have their kind in front."""
    entries, exits = delivery.interface.inputs, delivery.interface.outputs
    shared = {one.field for one in entries} & {one.field for one in exits}
    name = port.field[0].upper() + port.field[1:]
    return f"{kind}{name}" if shared else name


def _port(
    name: str,
    index: int,
    port: Port,
    spec: TensorSpec,
    golden: np.ndarray,
    tolerance: float | None = None,
) -> _Port:
    quantized = ", real = scale * (integer - zero point)" if spec.quantization else ""
    shape = " x ".join(str(size) for size in spec.shape)
    return _Port(
        name=name,
        field=port.field,
        index=index,
        type=_TYPES.get(spec.dtype, f"std::{spec.dtype}_t"),
        told=f"{port.field}: {spec.dtype}, {shape}{quantized}.",
        elements=prod(spec.shape),
        scale=_float(spec.quantization.scale) if spec.quantization else None,
        zero_point=spec.quantization.zero_point if spec.quantization else None,
        golden=tuple("".join(_lines(spec.encode(one), "        ")) for one in golden),
        tolerance=None if tolerance is None else repr(tolerance),
    )


def _lines(array: np.ndarray, indent: str = "    ") -> Iterator[str]:
    """The numbers as rows of a C++ initializer."""
    numbers = [_number(one) for one in array.reshape(-1).tolist()]
    for at in range(0, len(numbers), _PER_LINE):
        yield f"{indent}{', '.join(numbers[at : at + _PER_LINE])},\n"


def _number(value: float | bool) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    return _float(value) if isinstance(value, float) else str(value)


def _float(value: float) -> str:
    """A float32, exactly."""
    text = f"{value:.9g}"
    return f"{text}f" if re.search(r"[.e]", text) else f"{text}.0f"


def _plain(text: str) -> str:
    """A name from the file that a comment may hold: no backslash at a line's end, no new line."""
    return re.sub(r"[^A-Za-z0-9_ .:/-]", "?", text)
