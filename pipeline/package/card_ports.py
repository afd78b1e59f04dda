"""The card's part on inputs and outputs: the tensors, and what is done to them."""

from collections.abc import Iterator

from pipeline.package.interface import InputPort, OutputPort, Port
from pipeline.package.manifest import Manifest
from pipeline.package.markdown import plain, table
from pipeline.processing.section import Section
from pipeline.report.document import Unavailable


def ports(manifest: Manifest) -> Iterator[str]:
    """Paragraphs: the table of tensors, then what is done to each."""
    tensors = [_tensor(one) for one in (*manifest.inputs, *manifest.outputs)]
    yield table(("name", "shape", "dtype", "scale", "zero point"), tensors)
    yield "Real value = scale * (integer - zero point), where a scale is given."
    for entry in manifest.inputs:
        yield from _before(entry)
    for leaving in manifest.outputs:
        yield from _after(leaving)


def _before(port: InputPort) -> Iterator[str]:
    if not port.preprocess and not port.folded and port.source.source == "values":
        return
    steps = [_told(port.source, "source"), *(_told(one, "op") for one in port.preprocess)]
    yield f"What becomes of `{port.field}` before the model:"
    yield _numbered(steps)
    if port.folded:
        yield "After that the model itself does:"
        yield _numbered([_told(one, "op") for one in port.folded])


def _after(port: OutputPort) -> Iterator[str]:
    if port.postprocess:
        yield f"What becomes of `{port.field}` after the model:"
        yield _numbered([_told(one, "op") for one in port.postprocess])


def _numbered(steps: list[str]) -> str:
    return "\n".join(f"{index}. {one}" for index, one in enumerate(steps, 1))


def _told(one: Section, kind: str) -> str:
    """An operation with what was said of it, in one line."""
    facts = one.model_dump(mode="json", exclude_defaults=True, exclude={"fold"})
    name = str(getattr(one, kind))
    told = ", ".join(f"{key} {_short(value)}" for key, value in facts.items() if key != kind)
    return plain(f"{name}: {told}" if told else name)


def _short(value: object) -> str:
    if isinstance(value, list):
        shown = ", ".join(map(str, value[:20]))
        return f"{shown} and {len(value) - 20} more" if len(value) > 20 else shown
    return f"{value:.6g}" if isinstance(value, float) else str(value)


def _tensor(one: Port) -> tuple[str, ...]:
    layout = "" if isinstance(one.layout, Unavailable) else f" {plain(one.layout)}"
    shape = " x ".join(str(size) for size in one.shape) + layout
    return (
        plain(one.name),
        shape,
        one.dtype,
        "" if one.scale is None else f"{one.scale:.6g}",
        "" if one.zero_point is None else str(one.zero_point),
    )
