"""From a run's results to its report. Reads the facts that steps left beside a candidate."""

import json
from collections import Counter
from pathlib import Path
from typing import Any

from pipeline import ways
from pipeline.desk import Desk
from pipeline.evidence import Seen
from pipeline.gated import Gated
from pipeline.leftovers import facts
from pipeline.native import NATIVE
from pipeline.prune import PrunePlan
from pipeline.quantize import QuantPlan
from pipeline.quantizing import PLAN
from pipeline.report.climbed import rung_row
from pipeline.report.document import (
    ArtifactFacts,
    Attempt,
    Channels,
    Declined,
    Epoch,
    Executed,
    ExecutionFacts,
    Finding,
    FrontPoint,
    Line,
    MeasurementSummary,
    Metric,
    Pinned,
    Report,
    Row,
    RowVerdict,
    Training,
)
from pipeline.report.gate import gate_row
from pipeline.report.storage import samples_path
from pipeline.results import Judged, Made, Results
from pipeline.tools import versions
from targets.artifact import files_of, gzipped_bytes
from targets.budget import Verdict
from targets.execution import EIGHT_BIT
from targets.measurement import Measurement
from targets.trial import Trial

Samples = dict[str, Measurement]


def assemble(desk: Desk, results: Results) -> tuple[Report, Samples]:
    """The report of a run, and the raw samples that lie beside it, by path."""
    samples: Samples = {}
    chosen = results.selected
    baseline = [
        _row(desk, results.dense, runtime, dense, samples)
        for runtime, one in chosen.items()
        if (dense := one.trials[runtime].dense) is not None
    ]
    candidates = [
        _gated(
            _judged(desk, judged, runtime, samples, selected=judged is chosen[runtime]),
            results.gated.get(runtime),
        )
        for judged in results.judged
        for runtime in judged.trials
    ]
    report = Report(
        recipe=desk.loaded.name,
        device=desk.device.name,
        verdict=results.status,
        baseline=tuple(baseline),
        candidates=tuple(candidates),
        settings=desk.loaded.recipe.model_dump(mode="json"),
        profile=desk.device.model_dump(mode="json"),
        tools=dict(versions()),
        metric=_metric(desk, results),
        search=ways.tries(results),
        unreachable=ways.unreachable(results),
        front=_front(desk, results),
        gate=tuple(gate_row(runtime, one) for runtime, one in results.gated.items()),
        failures=results.failures(),
    )
    return report, samples


def _row(desk: Desk, made: Made, runtime: str, measured: Measurement, samples: Samples) -> Row:
    seen = made.seen[runtime]
    return Row(
        name=made.name,
        runtime=runtime,
        artifact=_artifact(desk, seen),
        metrics=dict(seen.scores.metrics),
        per_class=dict(seen.scores.per_class),
        measurement=_summary(measured, samples_path(made.name, runtime), samples),
        executed=_executed(seen),
        lineage=_lineage(made),
    )


def _judged(desk: Desk, judged: Judged, runtime: str, samples: Samples, *, selected: bool) -> Row:
    made, trial = judged.made, judged.trials[runtime]
    row = _row(desk, made, runtime, trial.candidate, samples)
    plans = _plans(made)
    return row.model_copy(
        update={
            "verdict": _verdict(trial.verdict),
            "selected": selected,
            "agreement": made.seen[runtime].agreement,
            "channels": _channels(plans),
            "pinned": _pinned(plans),
            "macs_pinned_share": _pinned_share(plans),
            "float_operators": _floats(made),
            "execution": _execution(made, runtime),
            "placed": judged.placed.get(runtime, ""),
            "rungs": tuple(map(rung_row, judged.climbed.get(runtime, ()))),
            "findings": tuple(map(Finding.model_validate, judged.doubts)),
            **_trained(made.folder / "history.json", "history", "training"),
            **_trained(made.folder / "qat.json", "aware_history", "aware"),
            "attempts": _attempts(made, runtime, trial, samples),
        }
    )


def _gated(row: Row, gated: Gated | None) -> Row:
    """The row with what the gate says of it."""
    told = gated.lineage(row.name) if gated else ()
    return row.model_copy(update={"lineage": (*row.lineage, *told)})


def _artifact(desk: Desk, seen: Seen) -> ArtifactFacts:
    one = seen.artifact
    path = one.path.relative_to(desk.workspace.folder).as_posix()
    return ArtifactFacts(
        path=path,
        format=one.format,
        sha256=one.sha256,
        size_bytes=one.size_bytes,
        gzip_bytes=gzipped_bytes(files_of(one.path)),
    )


def _summary(measured: Measurement, path: str, samples: Samples) -> MeasurementSummary:
    samples[path] = measured
    return MeasurementSummary.model_validate({**measured.summary(), "samples_path": path})


def _executed(seen: Seen) -> tuple[Executed, ...]:
    counts = Counter((one.type, one.dtype) for one in seen.description.executed)
    return tuple(
        Executed(type=kind, dtype=dtype, count=count)
        for (kind, dtype), count in sorted(counts.items())
    )


def _lineage(made: Made) -> tuple[str, ...]:
    lines = json.loads((made.folder / "candidate.json").read_text())["lineage"]
    if (made.exported.folder / PLAN).exists():
        lines.append(_quantized(QuantPlan.load(made.exported.folder / PLAN)))
    if (made.exported.folder / NATIVE).exists():
        lines.append("quantize: int8, by the runtime's own tool")
    return tuple(lines)


def _quantized(plan: QuantPlan) -> str:
    kept = f", {len(plan.keeps)} operators kept float" if plan.keeps else ""
    return f"quantize: int8, ranges by {plan.settings.range}{kept}"


def _verdict(verdict: Verdict) -> RowVerdict:
    return RowVerdict(
        status=verdict.status, lines=tuple(Line.model_validate(line) for line in verdict.lines)
    )


def _plans(made: Made) -> tuple[PrunePlan, ...]:
    """The plans of all rounds, in order."""
    count = json.loads((made.folder / "candidate.json").read_text())["plans"]
    return tuple(PrunePlan.load(made.folder / f"plan-{number}.json") for number in range(count))


def _channels(plans: tuple[PrunePlan, ...]) -> tuple[Channels, ...]:
    """What is left after the last round of what there was before the first."""
    groups = plans[0].groups if plans else ()
    left = {one.name: one.kept for plan in plans for one in plan.groups}
    return tuple(
        Channels(name=one.name, kept=left[one.name], size=one.size, reason=one.reason or "")
        for one in groups
    )


def _pinned(plans: tuple[PrunePlan, ...]) -> tuple[Pinned, ...]:
    """What the first round found pinned: it knew the whole model."""
    return tuple(
        Pinned(name=one.name, reason=one.reason, macs_share=one.macs / max(1, first.macs_dense))
        for first in plans[:1]
        for one in first.pinned
    )


def _pinned_share(plans: tuple[PrunePlan, ...]) -> float | None:
    return plans[0].macs_pinned / max(1, plans[0].macs_dense) if plans else None


def _floats(made: Made) -> tuple[Declined, ...]:
    path = made.exported.folder / PLAN
    floats = QuantPlan.load(path).floats if path.exists() else ()
    return tuple(Declined(name=f"{one.node} ({one.operator})", reason=one.reason) for one in floats)


def _trained(path: Path, history: str, training: str) -> dict[str, object]:
    """The row's keys that tell of a training, by their names; none where there was none."""
    if not path.exists():
        return {}
    found: dict[str, Any] = json.loads(path.read_text())
    return {
        history: tuple(Epoch.model_validate(one) for one in found["epochs"]),
        training: Training.model_validate(found["training"]),
    }


def _execution(made: Made, runtime: str) -> ExecutionFacts | None:
    """Of what runs on integers."""
    description, path = made.seen[runtime].description, made.exported.folder / PLAN
    if not any(one.dtype in EIGHT_BIT for one in description.executed):
        return None
    return facts(description.execution, QuantPlan.load(path) if path.exists() else None)


def _attempts(made: Made, runtime: str, trial: Trial, samples: Samples) -> tuple[Attempt, ...]:
    if len(trial.attempts) == 1:
        return ()
    found = []
    for number, one in enumerate(trial.attempts, 1):
        path = samples_path(f"{made.name}-attempt-{number}", runtime)
        samples[path] = one.candidate
        reason = next(
            (line.reason for line in one.verdict.lines if line.status == one.verdict.status), ""
        )
        found.append(Attempt(status=one.verdict.status, reason=reason, samples_path=path))
    return tuple(found)


def _metric(desk: Desk, results: Results) -> Metric | None:
    limits = desk.loaded.recipe.budget.metric
    if limits is None:
        return None
    scores = next(iter(results.dense.seen.values())).scores
    return Metric(name=limits.name, higher_is_better=scores.higher_is_better[limits.name])


def _front(desk: Desk, results: Results) -> tuple[FrontPoint, ...]:
    limits = desk.loaded.recipe.budget.metric
    scores = next(iter(results.dense.seen.values())).scores
    name = limits.name if limits else next(iter(scores.metrics))
    return ways.front(results, name, higher_is_better=scores.higher_is_better[name])
