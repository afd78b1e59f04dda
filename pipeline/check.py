"""`edgesmith measure` and `edgesmith check`: any model file on a device, with or without limits.

A check looks at the file first, and says why it will be slow; then it measures, and judges.
"""

from collections import Counter
from contextlib import nullcontext
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any, Protocol

from rich.table import Table

from pipeline.budget_file import read_budget
from pipeline.console import Console
from pipeline.diagnose.finding import Finding
from pipeline.diagnose.view import print_diagnosis
from pipeline.given import NOTHING, Given
from pipeline.looking import Looked, look
from pipeline.printing import print_json
from pipeline.terminal import Terminal
from targets import device as devices
from targets import target as targets
from targets.artifact import RUNTIME_OF_FORMAT, files_of, format_of
from targets.budget import Budget, Verdict
from targets.device import DeviceProfile
from targets.errors import DeviceUnreachable, UsageError
from targets.estimates import estimated, unmeasured
from targets.limit import MetricLimits, Relative, drop_from_text, is_drop, limit_from_text
from targets.measurement import Measurement, TimingRule
from targets.occupancy import occupied
from targets.target import Description, Target
from targets.trial import absolute_only, judge_alone, sitting

VERDICT_CODES = {"PASS": 0, "FAIL": 3}
UNDECIDED = 4


class Saying(Protocol):
    """Where progress is told: the console, or a device's share of it."""

    def step(self, message: str) -> None:
        """Says that a step begins."""

    def remark(self, message: str) -> None:
        """Says what a step found."""

    def progress(self, message: str, fraction: float) -> None:
        """How far the present step is, 0 to 1."""


@dataclass(frozen=True)
class Checked:
    """A model file judged on one device: its document, the verdict, and why it is slow."""

    document: dict[str, Any]
    verdict: Verdict
    findings: tuple[Finding, ...] = ()

    @property
    def code(self) -> int:
        """The exit code that the verdict has."""
        return VERDICT_CODES.get(self.verdict.status, UNDECIDED)


def measure(
    model: Path,
    device: str,
    as_json: bool,
    rule: TimingRule | None = None,
    given: Given = NOTHING,
) -> int:
    """Measures a model file by the full rule, or the one given, and prints what was seen."""
    with Console() as console, occupied(devices.load(device).seat, console.remark):
        target, description = described(model, device, console, given)
        console.step(f"measuring {model.name} on {device} with {target.runtime}")
        only = {"model": description.artifact}
        measured = sitting(target, only, rule or TimingRule(), console.progress)["model"]
    show(document(model, device, description, measured), None, as_json)
    return 0


def checked(
    model: Path,
    profile: DeviceProfile,
    stated: Budget,
    rule: TimingRule | None,
    console: Saying,
    given: Given = NOTHING,
) -> Checked:
    """Looks at a model file, measures it on a device, which nobody else uses meanwhile, and judges.

    A device without a link is judged by estimates, which leave every limit but size unverified; so
    is a file of open sizes, by its size alone. Without a stated limit the device's own budget
    holds. Raises as `check` does.
    """
    judged_by = stated if stated.limits() else _own_budget(profile, console)
    absolute_only(judged_by)
    format_of(model)
    files_of(model)  # all are there, before anything is waited for
    looked = look(model, profile, judged_by, given, console)
    with nullcontext() if profile.link == "none" else occupied(profile.seat, console.remark):
        found = _judged(model, profile, looked, judged_by, rule, console)
    return Checked({**found.document, **looked.document()}, found.verdict, looked.analysis.findings)


def _judged(
    model: Path,
    profile: DeviceProfile,
    looked: Looked,
    budget: Budget,
    rule: TimingRule | None,
    console: Saying,
) -> Checked:
    target, description = looked.analysis.target, looked.analysis.description
    if target is None or description is None:
        estimate, attempt = (
            estimated(model, profile, budget, looked.facts)
            if profile.link == "none"
            else unmeasured(model, budget, looked.open_sizes(), looked.facts)
        )
        return Checked(document(model, profile.name, estimate, attempt.candidate), attempt.verdict)
    console.step(f"measuring {model.name} on {profile.name} with {target.runtime}")
    artifact, facts = description.artifact, looked.facts
    try:
        trial = judge_alone(target, artifact, budget, facts, rule=rule, progress=console.progress)
    except DeviceUnreachable as error:
        kept = "nothing is kept, since a sitting counts only as a whole"
        raise DeviceUnreachable(f"{error}; {kept}") from error
    return Checked(document(model, profile.name, description, trial.candidate), trial.verdict)


def described(
    model: Path, device: str, console: Saying, given: Given = NOTHING
) -> tuple[Target, Description]:
    """A model file as its runtime on the device sees it. Raises ArtifactError for no model."""
    profile = devices.load(device)
    target = targets.find(profile, RUNTIME_OF_FORMAT[format_of(model)])
    target = replace(target, shapes=given.shapes)
    console.step(f"loading {model.name}")
    return target, target.describe(model)


def stated_budget(limits: tuple[str, ...], file: Path | None, given: Given = NOTHING) -> Budget:
    """The file's limits, with those of the command line over them; perhaps none.

    Those on a metric are taken where there is data: of the metric that the file names, or else of
    the task's first, which has the name "" here.
    """
    drops = [text for text in limits if given.data is not None and is_drop(text)]
    stated = dict(limit_from_text(text) for text in limits if text not in drops)
    budget = (read_budget(file) if file else Budget()).with_limits(stated)
    if not drops:
        return budget
    metric = budget.metric or MetricLimits(name="")
    metric = metric.model_copy(update=dict(drop_from_text(text) for text in drops))
    return budget.model_copy(update={"metric": metric})


def _own_budget(profile: DeviceProfile, console: Saying) -> Budget:
    if not profile.budget.limits():
        raise UsageError(
            "check needs a limit to judge by: --limit latency_ms.p95=8 or --budget FILE, since the "
            f"profile of '{profile.name}' has no budget; `edgesmith measure` measures without "
            "judging"
        )
    told = ", ".join(f"{name} {limit:g}" for name, limit in profile.budget.limits().items()
                     if not isinstance(limit, Relative))  # fmt: skip
    console.remark(f"judged by the budget of the device's profile: {told}")
    return profile.budget


def document(
    model: Path, device: str, description: Description, measured: Measurement
) -> dict[str, object]:
    """A measured model file as JSON has it: what it is, what it executes, what was measured."""
    artifact = description.artifact
    counts = Counter((one.type, one.dtype) for one in description.executed)
    return {
        "model": str(model),
        "device": device,
        "runtime": artifact.runtime,
        "runtime_version": description.runtime_version,
        "artifact": {
            "format": artifact.format,
            "sha256": artifact.sha256,
            "size_bytes": artifact.size_bytes,
            "inputs": [asdict(spec) for spec in artifact.inputs],
            "outputs": [asdict(spec) for spec in artifact.outputs],
        },
        "executed": [
            {"type": kind, "dtype": dtype, "count": count}
            for (kind, dtype), count in sorted(counts.items())
        ],
        "notes": list(description.notes),
        "measurement": measured.summary(),
    }


def show(document: dict[str, Any], verdict: Verdict | None, as_json: bool) -> None:
    """Prints a measured model file, and its verdict if there is one."""
    if as_json:
        told = {"verdict": asdict(verdict)} if verdict else {}
        print_json({**document, **told})
        return
    console = Terminal()
    measurement = document["measurement"]
    shown = Table(box=None, show_header=False, pad_edge=False)
    for name, value in measurement["latency_ms"].items():
        shown.add_row(f"latency {name}", _reading(value, "ms"))
    shown.add_row("peak memory", _reading(measurement["peak_memory_mb"], "MB"))
    shown.add_row("load", _reading(measurement["load_ms"], "ms"))
    shown.add_row("first inference", _reading(measurement["first_inference_ms"], "ms"))
    shown.add_row("size", f"{document['artifact']['size_bytes'] / 1000:.1f} kB")
    console.print(shown)
    for note in document["notes"]:
        console.print(f"note: {note}")
    if "diagnosis" in document:
        print_diagnosis(document["diagnosis"], console)
    if verdict:
        print_verdict(verdict, console)


def print_verdict(verdict: Verdict, console: Terminal) -> None:
    """Prints each limit's line and the verdict."""
    lines = Table("limit", "budget", "observed", "bound", "status", "why", box=None, pad_edge=False)
    for line in verdict.lines:
        numbers = (line.budget, line.observed, line.bound)
        told = ["unavailable" if one is None else f"{one:.4g}" for one in numbers]
        lines.add_row(line.limit, *told, line.status, line.reason)
    console.print(lines)
    console.print(f"verdict: {verdict.status}")


def _reading(value: float | str, unit: str) -> str:
    return value if isinstance(value, str) else f"{value:.4g} {unit}"
