"""What a run found: candidates as made, as judged, and those that were selected."""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline.evidence import Seen
from pipeline.gated import Gated
from pipeline.ladder import Outcome
from pipeline.landing import Landing
from pipeline.quantize.lint import Finding
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
    """

    name: str
    folder: Path
    exported: Exported
    seen: Mapping[str, Seen]
    failures: Mapping[str, str]


@dataclass(frozen=True)
class Judged:
    """A candidate and its trial on each runtime that it was made for.

    Attributes:
        made: the candidate.
        trials: by runtime.
        beside: whether it was made to compare with alone, and is never selected: zeroed weights
            are judged by what the same model does with all of them.
        climbed: the rungs of the quantization ladder that led to it, by runtime.
        placed: which operators stay float on a runtime by measurement, and why, by runtime.
        doubts: about the calibration data that it was quantized with.
    """

    made: Made
    trials: Mapping[str, Trial]
    beside: bool = False
    climbed: Mapping[str, tuple[Outcome, ...]] = field(default_factory=dict)
    placed: Mapping[str, str] = field(default_factory=dict)
    doubts: tuple[Finding, ...] = ()

    @property
    def status(self) -> Status:
        """The worst over runtimes."""
        return worst(one.verdict.status for one in self.trials.values())

    def lines(self) -> list[Line]:
        """The judged limits of all runtimes."""
        return [line for one in self.trials.values() for line in one.verdict.lines]

    def costs_too_much(self) -> bool:
        """Whether a limit on cost was missed, which a smaller model may meet."""
        return bool(self._missed().difference(METRIC_LIMITS))

    def loses_too_much(self) -> bool:
        """Whether a limit on a metric was missed, which training may mend."""
        return bool(self._missed().intersection(METRIC_LIMITS))

    def _missed(self) -> set[str]:
        return {line.limit for line in self.lines() if line.status in ("FAIL", "INCONCLUSIVE")}


@dataclass(frozen=True)
class Point:
    """A value of a swept limit, as it was stated, and each runtime's candidate there."""

    limit: str
    stated: str
    selected: Mapping[str, Judged]


@dataclass(frozen=True)
class Results:
    """All that the report tells.

    Attributes:
        dense: the baseline.
        judged: the candidates.
        landings: the ways to the plans that a budget chose.
        refused: why a runtime can't take the model as it would be deployed.
        points: the points of a sweep, the loosest limit first.
        preferred: the name of the candidate that a sweep chose, by runtime.
        gated: the gate's outcome by runtime.
    """

    dense: Made
    judged: tuple[Judged, ...]
    landings: tuple[Landing, ...] = ()
    refused: Mapping[str, str] = field(default_factory=dict)
    points: tuple[Point, ...] = ()
    preferred: Mapping[str, str] = field(default_factory=dict)
    gated: Mapping[str, Gated] = field(default_factory=dict)

    @property
    def selected(self) -> Mapping[str, Judged]:
        """Per runtime what the gate lets out; where it was not asked, what a sweep chose, else
        the candidate of the best verdict, and of equals the nearest to the limits."""
        return {runtime: self._chosen(runtime) for runtime in runtimes(self.judged)}

    def _chosen(self, runtime: str) -> Judged:
        there = [one for one in self.judged if runtime in one.trials and not one.beside]
        gated = self.gated.get(runtime)
        let_out = gated.delivered if gated else self.preferred.get(runtime)
        return _best([one for one in there if let_out in (None, one.made.name)], runtime)

    @property
    def status(self) -> Status:
        """The worst of the selected candidates' verdicts."""
        return worst(one.trials[runtime].verdict.status for runtime, one in self.selected.items())

    def failures(self) -> dict[str, str]:
        """Why a runtime has no artifact, dense or selected."""
        made = [self.dense, *(one.made for one in self.judged)]
        told = {runtime: why for one in made for runtime, why in one.failures.items()}
        told |= self.refused
        return {runtime: why for runtime, why in told.items() if runtime not in self.selected}


def together(judged: Sequence[Judged]) -> Judged:
    """The candidates of several runtimes as one, whose trials are all of theirs."""
    there = [one for one in judged if not one.beside]
    trials = {runtime: trial for one in there for runtime, trial in one.trials.items()}
    return replace(there[0], trials=trials)


def runtimes(judged: Iterable[Judged]) -> tuple[str, ...]:
    """The runtimes that candidates were judged on, in order."""
    return tuple(dict.fromkeys(runtime for one in judged for runtime in one.trials))


def _best(judged: Iterable[Judged], runtime: str) -> Judged:
    def worth(one: Judged) -> tuple[int, float]:
        verdict = one.trials[runtime].verdict
        return -rank(verdict.status), excess(list(verdict.lines))

    return min(judged, key=worth)


def excess(lines: list[Line]) -> float:
    """The largest share of a limit over the lines; infinite where nothing was observed."""
    shares = [share for line in lines if (share := line.share()) is not None]
    return max(shares, default=float("inf"))
