"""MODEL_CARD.md: the manifest put to a person."""

import re

from pipeline.package.interface import Port
from pipeline.package.manifest import Manifest, Signed
from pipeline.report import wording
from pipeline.report.document import Line, Unavailable


def model_card(manifest: Manifest, metric: str, usage: str) -> str:
    """The card, in Markdown. Text that came from outside is escaped.

    Args:
        manifest: what the card tells; its list of files may still be empty.
        metric: the metric that the limits on drops speak of.
        usage: how the package is set up and checked, in Markdown.
    """
    sections = [
        f"# {plain(manifest.name)}",
        plain(manifest.description) or "No description was given.",
        f"**{manifest.verdict.status}**: {wording.MEANING[manifest.verdict.status]}.",
        _table(
            ("limit", "budget", "observed", "bound", "verdict", "reason"),
            [_line(line, metric) for line in manifest.verdict.lines],
        ),
        "## Measured",
        _measured(manifest),
        "## Inputs and outputs",
        _table(("name", "shape", "dtype", "scale", "zero point"), _tensors(manifest)),
        "Real value = scale * (integer - zero point), where a scale is given.",
        "## How it was made",
        "\n".join(f"{index}. {plain(one)}" for index, one in enumerate(manifest.lineage, 1)),
        "## How to check it",
        usage,
        "## What this does not tell",
        f"{_forgery(manifest)} It was checked with "
        "the version of the runtime named above and no other. Its accuracy is that on the "
        "validation data of its task. The licence in this package covers the code that edgesmith "
        "made; the model's is its owner's.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _forgery(manifest: Manifest) -> str:
    signature = manifest.signature
    if not isinstance(signature, Signed):
        return "The package is not signed: its checksums find damage, not forgery."
    until = f" until {signature.not_after}" if signature.not_after else ""
    return f"The package is signed with the key {signature.key_id}{until}."


def plain(text: str) -> str:
    """Text in one line, with all that Markdown or HTML would act on escaped."""
    return re.sub(r"([\\`*_\[\]<>|#&])", r"\\\1", " ".join(text.split()))


def _table(titles: tuple[str, ...], rows: list[tuple[str, ...]]) -> str:
    if not rows:
        return ""
    ruled = [titles, ("---",) * len(titles), *rows]
    return "\n".join(f"| {' | '.join(row)} |" for row in ruled)


def _line(line: Line, metric: str) -> tuple[str, ...]:
    figures = (line.budget, line.observed, line.bound)
    budget, observed, bound = (wording.limit_figure(line.limit, one, metric) for one in figures)
    stated = f" ({plain(line.stated)})" if "%" in line.stated else ""
    name = plain(wording.limit_name(line.limit, metric))
    return name, f"{budget}{stated}", str(observed), str(bound), line.status, plain(line.reason)


def _measured(manifest: Manifest) -> str:
    measured = manifest.measurement
    readings = {
        **{f"latency {name}": (one, "ms") for name, one in measured.latency_ms},
        "peak memory": (measured.peak_memory_mb, "MB"),
        "load": (measured.load_ms, "ms"),
        "first inference": (measured.first_inference_ms, "ms"),
        "energy per inference": (measured.energy_mj, "mJ"),
    }
    figures = [(name, wording.figure(*reading)) for name, reading in readings.items()]
    figures += [(plain(name), wording.score(one, name)) for name, one in manifest.metrics.items()]
    rows = [(name, f"{one} {plain(one.reason)}".strip()) for name, one in figures]
    conditions = [(plain(name), plain(str(one))) for name, one in measured.conditions.items()]
    size = ("size", str(wording.size(manifest.model.size_bytes)))
    return _table(
        ("reading", "value"), [*rows, size, ("provenance", measured.provenance), *conditions]
    )


def _tensors(manifest: Manifest) -> list[tuple[str, ...]]:
    return [_tensor(one) for one in (*manifest.inputs, *manifest.outputs)]


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
