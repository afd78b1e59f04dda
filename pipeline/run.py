"""The hallway: the steps of a run in order, top to bottom.

dense baseline → prune (searching the ratio where the budget asks for it) → recover → quantize and
export → look at each artifact → measure and judge it beside dense → select → package → report.
"""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from pipeline import evidence, stages
from pipeline.desk import Desk
from pipeline.evidence import Seen
from pipeline.recipe import Prune, Quantize, Recover
from pipeline.search import Tried, best, escalate, next_ratio
from pipeline.stages import Exported
from targets.budget import Status, worst
from targets.errors import ConversionError
from targets.trial import Trial

ESCALATIONS = 2
"""Larger ratios tried when the full measuring misses what the search's short one met."""


@dataclass(frozen=True)
class Made:
    """A model exported for its runtimes and looked at.

    Attributes:
        name: what it is called in the report.
        folder: the candidate's step folder.
        ratio: the share of channels removed from each group; None where no ratio was asked for.
        seen: the artifact of each runtime that could be made.
        failures: why a runtime has none.
    """

    name: str
    folder: Path
    exported: Exported
    ratio: float | None
    seen: Mapping[str, Seen]
    failures: Mapping[str, str]


@dataclass(frozen=True)
class Judged:
    """A candidate and its trial on each runtime."""

    made: Made
    trials: Mapping[str, Trial]

    @property
    def status(self) -> Status:
        """The worst over runtimes."""
        return worst(one.verdict.status for one in self.trials.values())

    def missed(self) -> tuple[str, ...]:
        """The limits that were not met on some runtime."""
        lines = [line for one in self.trials.values() for line in one.verdict.lines]
        return tuple(dict.fromkeys(line.limit for line in lines if line.status != "PASS"))


@dataclass(frozen=True)
class Results:
    """All that the report tells."""

    dense: Made
    judged: tuple[Judged, ...]
    selected: Mapping[str, Judged]
    tried: tuple[Tried, ...]

    def failures(self) -> dict[str, str]:
        """Why a runtime has no artifact, dense or selected."""
        every = [self.dense, *(one.made for one in self.judged)]
        return {name: why for made in every for name, why in made.failures.items()}
