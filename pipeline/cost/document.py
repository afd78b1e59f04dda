"""What `edgesmith cost` tells of each table, as one document: what the text and --json show."""

from collections.abc import Mapping
from pathlib import Path
from typing import Literal

from pipeline.cost.costs import NO_METER, Costs, OwnError
from pipeline.cost.key import Key
from pipeline.cost.sites import Part
from pipeline.cost.table import CostTable, Staircase
from targets.measurement import unavailable


class Told(Part):
    """A whole pruned model that the fit never saw."""

    name: str
    predicted_ms: float
    measured_ms: float


class Error(Part):
    """How far predictions are off, relative to the measured p50.

    Attributes:
        median, p90, largest: over the models.
        repeat: the p90 difference of one artifact's processes: the machine's own.
        within_5, within_10: the share of models within ±(5 % + repeat) and ±(10 % + repeat).
        models: each of them.
    """

    median: float
    p90: float
    largest: float
    repeat: float
    within_5: float
    within_10: float
    models: tuple[Told, ...]


class Refused(Part):
    """A probe that could not be made or measured, and why."""

    name: str
    reason: str


class Cost(Part):
    """One table.

    Attributes:
        path: where it is kept.
        reused: whether it was there already.
        key: what it is good for.
        minutes: what its probing took.
        ended: why that stopped.
        models, windows: how many probes of each there are.
        refused: probes without a number.
        dense_ms, dense_kb, dense_memory_mb: what the whole model measures.
        p95_over_p50: the measured ratio; None where there were too few samples.
        energy_mj: why there is no reading.
        error: None where no model was kept from the fit.
        legal: per group, the widths worth choosing.
        staircases: where plateaus end, as measured.
    """

    path: str
    reused: bool
    key: Key
    minutes: float
    ended: str
    models: int
    windows: int
    refused: tuple[Refused, ...]
    dense_ms: float
    dense_kb: float
    dense_memory_mb: float | str
    p95_over_p50: float | None
    energy_mj: str
    error: Error | None
    legal: Mapping[str, tuple[int, ...]]
    staircases: tuple[Staircase, ...]


class CostReport(Part):
    """All tables of one command; `failures` are runtimes that can't take the model, and why."""

    schema_version: Literal[1] = 1
    recipe: str
    device: str
    costs: tuple[Cost, ...]
    failures: Mapping[str, str]


def cost_of(table: CostTable, path: Path, reused: bool) -> Cost:
    """What a table tells."""
    fitted = Costs(table)
    found = fitted.own_error()
    windows = [probe for probe in table.probes if probe.role == "window"]
    dense = fitted.predict(table.dense.sites)
    measured = table.dense.peak_memory_mb
    return Cost(
        path=str(path),
        reused=reused,
        key=table.key,
        minutes=table.seconds / 60,
        ended=table.ended,
        models=len(table.probes) - len(windows),
        windows=len(windows),
        refused=tuple(Refused(name=one.name, reason=one.reason or "") for one in table.declined()),
        dense_ms=table.reference_ms,
        dense_kb=(table.dense.size_bytes or 0) / 1000,
        dense_memory_mb=measured[0] if measured else dense.peak_memory_mb,
        p95_over_p50=fitted.ratio("p95"),
        energy_mj=unavailable(NO_METER),
        error=None if found is None else error_of(found),
        legal=table.legal,
        staircases=table.staircases,
    )


def error_of(found: OwnError) -> Error:
    """A fit's own error as a document."""
    rows = (Told(name=n, predicted_ms=p, measured_ms=m) for n, p, m in found.rows)
    return Error(
        median=found.median,
        p90=found.p90,
        largest=found.largest,
        repeat=found.repeat,
        within_5=found.within[0],
        within_10=found.within[1],
        models=tuple(rows),
    )
