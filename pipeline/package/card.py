"""MODEL_CARD.md: the manifest put to a person."""

from pipeline.package.card_origin import changed, made_from
from pipeline.package.card_ports import ports
from pipeline.package.manifest import Manifest, Signed
from pipeline.package.markdown import plain, table
from pipeline.report import wording
from pipeline.report.document import Line


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
        table(
            ("limit", "budget", "observed", "bound", "verdict", "reason"),
            [_line(line, metric) for line in manifest.verdict.lines],
        ),
        "## Measured",
        _measured(manifest),
        "## What changed, by class",
        *changed(manifest, metric),
        "## Inputs and outputs",
        *ports(manifest),
        "## What it was made from, and how",
        *made_from(manifest),
        "\n".join(f"{index}. {plain(one)}" for index, one in enumerate(manifest.lineage, 1)),
        "## How to use and check it",
        usage,
        "## What this does not tell",
        f"{_forgery(manifest)} It was checked with the version of the runtime named in "
        "manifest.json and no other. Its accuracy is that on the validation data of its task, "
        "with the pre- and post-processing above, and says nothing of data of another kind. "
        "The licence in this package covers the code that edgesmith made; the model's is its "
        "owner's.",
    ]
    return "\n\n".join(section for section in sections if section) + "\n"


def _forgery(manifest: Manifest) -> str:
    signature = manifest.signature
    if not isinstance(signature, Signed):
        return "The package is not signed: its checksums find damage, not forgery."
    until = f" until {signature.not_after}" if signature.not_after else ""
    return f"The package is signed with the key {signature.key_id}{until}."


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
    facts = [("size", str(wording.size(manifest.model.size_bytes)))]
    if manifest.origin is not None and "device" not in measured.conditions:
        facts.append(("device", plain(manifest.origin.device)))
    facts.append(("provenance", measured.provenance))
    return table(("reading", "value"), [*rows, *facts, *conditions])
