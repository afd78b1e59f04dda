"""What a check looks at before it measures: what will be slow, and what the model is worth."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pipeline.diagnose.door import Analysis, analyse
from pipeline.given import Given
from targets.budget import Budget, Observation
from targets.device import DeviceProfile
from targets.errors import ConversionError
from targets.limit import METRIC_LIMITS

NO_TASK = "no task was given to score it with (--data TASK)"


class Telling(Protocol):
    """Where it is told what was found."""

    def step(self, message: str) -> None:
        """Says that a step begins."""

    def remark(self, message: str) -> None:
        """Says what a step found."""


@dataclass(frozen=True)
class Looked:
    """What is known of a model file before it is measured.

    Attributes:
        analysis: of the file on the device.
        facts: observations of the metrics that the budget limits.
        accuracy: the scores as JSON has them; None where no data was given.
    """

    analysis: Analysis
    facts: Mapping[str, Observation]
    accuracy: Mapping[str, Any] | None

    def document(self) -> dict[str, Any]:
        """As JSON has it: its part of a check."""
        told = {"diagnosis": [one.document() for one in self.analysis.findings]}
        return told if self.accuracy is None else {**told, "accuracy": dict(self.accuracy)}

    def open_sizes(self) -> str:
        """Why nothing can be measured of a file whose sizes nobody stated."""
        told = ", ".join(f"'{name}' is {list(s)}" for name, s in self.analysis.undecided.items())
        return f"input {told}; state its sizes (--shape NAME=SIZES)"


def look(
    model: Path, profile: DeviceProfile, budget: Budget, given: Given, console: Telling
) -> Looked:
    """Analyses the file, tells what was found, and scores it where data was given.

    Raises:
        ArtifactError: no model that its runtime can load.
        ConversionError: one that it does not take; with what was found to be the cause.
        TaskError: the data is no task, or does not fit the file.
    """
    console.step(f"looking at {model.name}")
    missing = {name: Observation(missing_reason=NO_TASK) for name in METRIC_LIMITS}
    if given.data is None:
        return Looked(_told(analyse(model, profile, given.shapes), console), missing, None)
    from pipeline import scoring  # which imports torch

    task = scoring.load(given.data)
    analysis = analyse(model, profile, given.shapes)
    if analysis.undecided:
        analysis = analyse(model, profile, scoring.shapes(task, analysis, given.shapes))
    _told(analysis, console)
    console.step(f"scoring {model.name} on {given.data}")
    scored = scoring.score(task, model, profile, analysis.target)
    name = budget.metric.name if budget.metric else ""
    console.remark(scored.told())
    return Looked(analysis, scored.observations(name), scored.document())


def _told(analysis: Analysis, console: Telling) -> Analysis:
    """Says what was found. Raises ConversionError where the runtime does not take the file."""
    for one in analysis.findings:
        console.remark(f"{one.severity}: {one.found}")
    if analysis.refusal is not None:
        cures = [one.cure for one in analysis.findings if one.severity == "error"]
        raise ConversionError("; ".join(map(str, [analysis.refusal, *cures])))
    return analysis
