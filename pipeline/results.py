"""What a run found: candidates as made, as judged, and the one that was selected."""

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline.evidence import Seen
from pipeline.search import Tried
from pipeline.stages import Exported
from targets.budget import Line, Status, rank, worst
from targets.limit import METRIC_LIMITS
from targets.trial import Trial


@dataclass(frozen=True)
class Made:
    """A model exported for its runtimes and looked at.

    Attributes:
        name: what it is called in the report.
        folder: the candidate's step folder.
        exported: the files.
        seen: the artifact of each runtime that could be made.
        failures: why a runtime has none.
        ratio: the share of each group's channels that is gone; None where another mode pruned.
    """

    name: str
    folder: Path
    exported: Exported
    seen: Mapping[str, Seen]
    failures: Mapping[str, str]
    ratio: float | None = None


@dataclass(frozen=True)
class Judged:
    """A candidate and its trial on each runtime.

    Attributes:
        made: the candidate.
        trials: by runtime.
        beside: whether it was made to compare with alone, and is never selected: zeroed weights
            are judged by what the same model does with all of them.
    """

    made: Made
    trials: Mapping[str, Trial]
    beside: bool = False

    @property
    def status(self) -> Status:
        """The worst over runtimes."""
        return worst(one.verdict.status for one in self.trials.values())

    def lines(self) -> list[Line]:
        """The judged limits of all runtimes."""
        return [line for one in self.trials.values() for line in one.verdict.lines]

    def needs_less_cost(self) -> bool:
        """Whether a limit on cost was missed, which a smaller model may meet."""
        missed = {line.limit for line in self.lines() if line.status != "PASS"}
        return bool(missed.difference(METRIC_LIMITS))


@dataclass(frozen=True)
class Results:
    """All that the report tells."""

    dense: Made
    judged: tuple[Judged, ...]
    tried: tuple[Tried, ...]

    @property
    def selected(self) -> Judged:
        """The candidate of the best verdict; of equals the one that comes nearest to the limits."""
        real = [one for one in self.judged if not one.beside]
        return min(real, key=lambda one: (-rank(one.status), excess(one.lines())))

    def failures(self) -> dict[str, str]:
        """Why a runtime has no artifact, dense or selected."""
        return {**self.dense.failures, **self.selected.made.failures}


def excess(lines: list[Line]) -> float:
    """The largest share of a limit over the lines; infinite where nothing was observed."""
    shares = [share for line in lines if (share := line.share()) is not None]
    return max(shares, default=float("inf"))
