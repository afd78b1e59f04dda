"""What a check looks at before it measures: what will be slow, and what the model is worth."""

import threading
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
from targets.occupancy import occupied

Shapes = Mapping[str, tuple[int, ...]]
_ONE_TASK = threading.Lock()
"""A task is the user's code, and torch's random numbers are one for all threads: devices that are
checked side by side take turns. Who waits for it holds no device."""
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
    if given.data is None:
        missing = {name: Observation(missing_reason=NO_TASK) for name in METRIC_LIMITS}
        analysis = _told(_analysed(model, profile, given.shapes, console), console)
        return Looked(analysis, missing, None)
    with _ONE_TASK:
        return _scored(model, profile, budget, given, given.data, console)


def _scored(
    model: Path,
    profile: DeviceProfile,
    budget: Budget,
    given: Given,
    data: Path,
    console: Telling,
) -> Looked:
    from pipeline import scoring  # which imports torch

    task = scoring.load(data)
    analysis = _analysed(model, profile, given.shapes, console)
    if analysis.undecided:
        shapes = scoring.shapes(task, analysis, given.shapes)
        analysis = _analysed(model, profile, shapes, console)
    _told(analysis, console)
    console.step(f"scoring {model.name} on {data}")
    scored = scoring.score(task, model, profile, analysis.target)
    console.remark(scored.told())
    name = budget.metric.name if budget.metric else ""
    return Looked(analysis, scored.observations(name), scored.document())


def _analysed(model: Path, profile: DeviceProfile, shapes: Shapes, console: Telling) -> Analysis:
    """The analysis, for which the device has to be free."""
    if profile.link == "none":
        return analyse(model, profile, shapes)
    with occupied(profile.seat, console.remark):
        return analyse(model, profile, shapes)


def _told(analysis: Analysis, console: Telling) -> Analysis:
    """Says what was found. Raises ConversionError where the runtime does not take the file."""
    for one in analysis.findings:
        console.remark(f"{one.severity}: {one.found}")
    if analysis.refusal is not None:
        cures = [one.cure for one in analysis.findings if one.severity == "error"]
        raise ConversionError("; ".join(map(str, [analysis.refusal, *cures])))
    return analysis
