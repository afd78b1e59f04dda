"""What `edgesmith inspect` shows: one document, as JSON or as tables."""

import math
from collections import Counter
from dataclasses import asdict, dataclass
from pathlib import Path

from rich.table import Table

from pipeline.fidelity import Fidelity
from pipeline.report.executing import ExecutionFacts
from pipeline.report.section import Unavailable
from pipeline.terminal import Terminal
from targets.target import Description

EQUAL = "equal"
NOT_SCORED = "the run did not score this file"
SHOWN = 20
"""Layers on the screen, the worst ones; all of them are in --json."""


@dataclass(frozen=True)
class Against:
    """An artifact beside the quantized torch graph that it was made of.

    Attributes:
        run: the run's folder.
        agreement: top-1, on the validation split; None where no metric has classes.
        sqnr_db: of the outputs there; None where the run did not score the file.
        samples: how many the layers were compared on.
        layers: 8-bit tensors, the least faithful first.
        unseen: 8-bit tensors of the torch graph that the runtime fused away.
        as_executed: whether looking inside left the outputs as they are, bit for bit.
        faithful: whether agreement and SQNR are what a delivered artifact has to have.
    """

    run: str
    agreement: float | None
    sqnr_db: float | None
    samples: int
    layers: tuple[Fidelity, ...]
    unseen: tuple[str, ...]
    as_executed: bool
    faithful: bool

    def document(self) -> dict[str, object]:
        """As JSON has it: an SQNR is a number, or the word for no difference at all."""
        layers = [{**asdict(one), "sqnr_db": _decibels(one.sqnr_db)} for one in self.layers]
        scored = self.sqnr_db is not None
        why = "no metric of the task has classes" if scored else NOT_SCORED
        return {
            **asdict(self),
            "agreement": {"unavailable": why} if self.agreement is None else self.agreement,
            "sqnr_db": {"unavailable": NOT_SCORED}
            if self.sqnr_db is None
            else _decibels(self.sqnr_db),
            "layers": layers,
        }


@dataclass(frozen=True)
class Inspection:
    """A model file as its runtime executes it."""

    model: Path
    device: str
    description: Description
    execution: ExecutionFacts
    against: Against | None

    def document(self) -> dict[str, object]:
        """As JSON has it."""
        artifact = self.description.artifact
        return {
            "model": str(self.model),
            "device": self.device,
            "runtime": artifact.runtime,
            "runtime_version": self.description.runtime_version,
            "artifact": {
                "format": artifact.format,
                "sha256": artifact.sha256,
                "size_bytes": artifact.size_bytes,
                "inputs": [asdict(spec) for spec in artifact.inputs],
                "outputs": [asdict(spec) for spec in artifact.outputs],
            },
            "executed": [asdict(one) for one in self.description.executed],
            "execution": self.execution.model_dump(mode="json"),
            "notes": list(self.description.notes),
            "against": self.against.document() if self.against else None,
        }


def print_all(found: Inspection) -> None:
    """The tables on stdout."""
    console = Terminal()
    console.print(_operators(found.description))
    for line in _facts(found.execution):
        console.print(line, highlight=False)
    for one in found.execution.float_leftovers:
        why = f": {one.reason}" if one.reason else ""
        console.print(f"  {one.type} '{one.name}' in {one.dtype}{why}")
    for note in found.description.notes:
        console.print(f"note: {note}")
    if found.against:
        _print_against(found.against, console)


def _operators(description: Description) -> Table:
    counts = Counter((one.type, one.dtype, one.role) for one in description.executed)
    macs: Counter[tuple[str, str, str]] = Counter()
    for one in description.executed:
        macs[one.type, one.dtype, one.role] += one.macs or 0
    table = Table("operator", "dtype", "does", "count", "MACs", box=None, pad_edge=False)
    for key in sorted(counts, key=lambda key: (-macs[key], key)):
        table.add_row(*key, str(counts[key]), f"{macs[key]:,}" if macs[key] else "")
    return table


def _facts(execution: ExecutionFacts) -> list[str]:
    share = execution.int8_macs_share
    told = [
        f"multiply-accumulates in 8 bits: {_text(share, '{:.1%}')}",
        f"partitions: {_text(execution.partitions, '{:.0f}')}",
        f"conversions: {execution.conversions} · transposes: {execution.transposes}",
    ]
    if execution.outside:
        told.append(f"outside every partition: {', '.join(execution.outside)}")
    told.append(f"operators in float: {len(execution.float_leftovers)}")
    return told


def _print_against(against: Against, console: Terminal) -> None:
    agrees = "" if against.agreement is None else f"agreement {against.agreement:.2%}, "
    told = NOT_SCORED if against.sqnr_db is None else f"{agrees}SQNR {_told(against.sqnr_db)}"
    console.print(f"against {against.run}: {told}")
    table = Table("8-bit tensor", "SQNR dB", "differing", "furthest", box=None, pad_edge=False)
    for one in against.layers[:SHOWN]:
        differing = f"{one.differing:.2%}"
        table.add_row(one.tensor, str(_decibels(one.sqnr_db)), differing, str(one.furthest))
    console.print(table)
    if not against.as_executed:
        console.print("note: looking inside changed the outputs; layers are nearly the model's")
    if against.unseen:
        console.print(f"fused away: {', '.join(against.unseen)}")


def _decibels(value: float) -> float | str:
    return round(value, 2) if math.isfinite(value) else EQUAL if value > 0 else "no signal"


def _told(value: float) -> str:
    return f"{value:.1f} dB" if math.isfinite(value) else str(_decibels(value))


def _text(reading: float | Unavailable, form: str) -> str:
    if isinstance(reading, Unavailable):
        return f"unavailable ({reading.unavailable})"
    return form.format(reading)
