"""report.json, schema 1: what was asked, what was found, and what was judged.

All models are frozen, refuse unknown keys, and can be made from objects with the same attributes
(`model_validate`).
"""

from collections.abc import Mapping
from typing import Literal, Self

from pydantic import Field, JsonValue, model_validator

from pipeline.report.climbed import Finding, RungRow
from pipeline.report.executing import ExecutionFacts
from pipeline.report.gate import GateRow
from pipeline.report.planned import Charged, FrontPoint, SearchTry
from pipeline.report.section import STATUSES, Reading, Section, Status, Unavailable

__all__ = [
    "STATUSES", "ArtifactFacts", "Attempt", "Channels", "Charged", "Declined", "Epoch", "Executed",
    "ExecutionFacts", "Finding", "FrontPoint", "GateRow", "Line", "MeasurementSummary", "Metric",
    "Packaged", "Quantiles", "Reading", "Report", "Row", "RowVerdict", "RungRow", "SearchTry",
    "Section", "Status", "Unavailable",
]  # fmt: skip

Provenance = Literal["measured-on-device", "measured-host", "emulated", "modelled"]


class ArtifactFacts(Section):
    """A model file. The path is relative to the run folder; size and digest cover all its files,
    and so does the size once they are compressed with gzip."""

    path: str
    format: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)
    gzip_bytes: int | None = Field(default=None, gt=0)


class Quantiles(Section):
    """Latency in ms: for each quantile the median over processes of the process's own."""

    p50: Reading
    p90: Reading
    p95: Reading
    p99: Reading


class MeasurementSummary(Section):
    """One artifact's measurement in short. `samples_path` holds every raw sample."""

    latency_ms: Quantiles
    peak_memory_mb: Reading
    load_ms: Reading
    first_inference_ms: Reading
    energy_mj: Reading
    provenance: Provenance
    conditions: dict[str, JsonValue] = Field(default_factory=dict)
    samples_path: str | None = None


class Line(Section):
    """One limit, judged.

    Attributes:
        limit: its name, as `latency_ms.p95`.
        budget: the absolute limit, in the unit that the name says; unavailable where it is
            relative to a baseline that was not measured.
        observed: the quantity judged.
        bound: how large it may be at this confidence; for a fact, the fact itself.
        stated: the limit as the recipe states it ("40% of dense"), where that differs.
    """

    limit: str
    budget: Reading
    observed: Reading
    bound: Reading
    status: Status
    reason: str = ""
    stated: str = ""


class RowVerdict(Section):
    """A verdict and the lines that it is the worst of."""

    status: Status
    lines: tuple[Line, ...] = ()


class Channels(Section):
    """How many channels of a group are kept, and why all of them where none may go."""

    name: str
    kept: int = Field(ge=0)
    size: int = Field(gt=0)
    reason: str = ""

    @model_validator(mode="after")
    def _keeps_no_more_than_it_has(self) -> Self:
        if self.kept > self.size:
            raise ValueError(f"group {self.name} keeps {self.kept} of {self.size} channels")
        return self


class Declined(Section):
    """Something that was left as it is (a pinned group, a float operator), and why."""

    name: str
    reason: str


class Pinned(Declined):
    """A dimension of a parameter that stays whole. `macs_share`, of the dense model's MACs, runs
    over it and stays whatever may be pruned."""

    macs_share: Reading = Unavailable(unavailable="not counted")


class Epoch(Section):
    """One epoch of recovery. `metric` is the validation metric; `best` marks the one kept."""

    epoch: int
    loss: Reading
    metric: Reading
    learning_rate: Reading = Unavailable(unavailable="not recorded")
    best: bool = False


class Rate(Section):
    """The learning rate with which a batch was trained, counted from 1 over all epochs."""

    batch: int = Field(gt=0)
    learning_rate: Reading


class Training(Section):
    """What recovery spent, and how.

    Attributes:
        asked: epochs or minutes, as the recipe has it.
        epochs: begun; by the clock, the last one may have been cut short.
        batches: trained with.
        seconds: on the clock; None where the recipe asks for epochs.
        precision: of the forward and backward passes.
        distilled: what was learnt from the dense model, in words; empty for nothing.
        rates: the schedule as it was, at about 50 moments at equal distances.
    """

    asked: str
    epochs: int = Field(gt=0)
    batches: int = Field(gt=0)
    seconds: Reading | None = None
    precision: str
    distilled: str = ""
    rates: tuple[Rate, ...] = ()


class Executed(Section):
    """How many operators of a type the runtime really executes in a dtype."""

    type: str
    dtype: str
    count: int = Field(gt=0)


class Attempt(Section):
    """One sitting of a measurement that was repeated: how it was judged, and why again."""

    status: Status
    reason: str = ""
    samples_path: str | None = None


class Row(Section):
    """The dense baseline, or a candidate, on one runtime.

    Attributes:
        per_class: the metric by class, keyed by the class's name.
        verdict: None where nothing was judged, as for the baseline.
        lineage: what was done to the model, in words, oldest first.
        selected: whether this is the candidate that the run chose for its runtime.
        macs_pinned_share: of the dense model's MACs, what stays whatever may be pruned.
        agreement: top-1 agreement with the quantized torch graph, 0 to 1.
        training: what recovery spent, where there was one.
        execution: what the executed operators come to; None for one that was not quantized.
        placed: what stays float since that was measured to be faster, and by how much.
        rungs: of the quantization ladder, all that were tried on the runtime, in order.
        aware: what quantization-aware training spent, where there was one.
        aware_history: its epochs.
        findings: what is doubtful about the calibration data.
        attempts: every sitting, where it took more than one.
    """

    name: str
    runtime: str
    artifact: ArtifactFacts
    metrics: dict[str, Reading] = Field(default_factory=dict)
    per_class: dict[str, Reading] = Field(default_factory=dict)
    measurement: MeasurementSummary
    verdict: RowVerdict | None = None
    lineage: tuple[str, ...] = ()
    selected: bool = False
    channels: tuple[Channels, ...] = ()
    pinned: tuple[Pinned, ...] = ()
    macs_pinned_share: Reading | None = None
    executed: tuple[Executed, ...] = ()
    float_operators: tuple[Declined, ...] = ()
    agreement: Reading | None = None
    history: tuple[Epoch, ...] = ()
    training: Training | None = None
    execution: ExecutionFacts | None = None
    placed: str = ""
    rungs: tuple[RungRow, ...] = ()
    aware: Training | None = None
    aware_history: tuple[Epoch, ...] = ()
    findings: tuple[Finding, ...] = ()
    attempts: tuple[Attempt, ...] = ()


class Metric(Section):
    """The metric that the budget speaks of."""

    name: str
    higher_is_better: bool = True


class Packaged(Section):
    """An archive that was made. The path is relative to the run folder."""

    path: str
    sha256: str = Field(pattern="^[0-9a-f]{64}$")
    size_bytes: int = Field(gt=0)


class Report(Section):
    """A run, whole.

    Attributes:
        recipe: the recipe's name.
        device: the device profile's name.
        verdict: the worst of the selected candidates'.
        baseline: the dense model, one row for each runtime.
        candidates: what was made from it; one for each runtime is selected.
        package: the archives by runtime; None where none was made.
        failures: why a runtime has no artifact, by runtime.
        settings: the recipe as it was run, overrides included.
        profile: the device's facts.
        tools: versions, by tool.
        gate: what was found when each final artifact was compared with what it came from.
        search: the plans that were tried before any recovery, in order.
        unreachable: why no plan meets the limits, by runtime.
        front: the points of a sweep, runtime by runtime, the loosest limit first.
    """

    schema_version: Literal[1] = 1
    recipe: str
    device: str
    verdict: Status
    baseline: tuple[Row, ...]
    candidates: tuple[Row, ...]
    package: dict[str, Packaged] | None = None
    settings: dict[str, JsonValue] = Field(default_factory=dict)
    profile: dict[str, JsonValue] = Field(default_factory=dict)
    tools: dict[str, str] = Field(default_factory=dict)
    metric: Metric | None = None
    failures: dict[str, str] = Field(default_factory=dict)
    gate: tuple[GateRow, ...] = ()
    search: tuple[SearchTry, ...] = ()
    unreachable: dict[str, str] = Field(default_factory=dict)
    front: tuple[FrontPoint, ...] = ()

    @model_validator(mode="after")
    def _selects_one_candidate_per_runtime(self) -> Self:
        if any(row.selected for row in self.baseline):
            raise ValueError("a baseline row is selected; only candidates are")
        for runtime in {row.runtime for row in self.candidates}:
            chosen = sum(row.selected for row in self.candidates if row.runtime == runtime)
            if chosen != 1:
                raise ValueError(f"{chosen} candidates for {runtime} are selected; allowed: one")
        return self

    def selected(self) -> Mapping[str, Row]:
        """The chosen candidate of each runtime, in the order of the candidates."""
        return {row.runtime: row for row in self.candidates if row.selected}

    def dense(self) -> Mapping[str, Row]:
        """The baseline's row of each runtime."""
        return {row.runtime: row for row in self.baseline}
