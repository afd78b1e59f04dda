"""A trial: dense and candidate measured in one sitting, judged, and repeated where that is due.

Knows no recipe: artifacts, a budget and a rule come in, measurements and a verdict go out.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from typing import Protocol, TypeVar

from targets.artifact import Artifact
from targets.budget import Budget, Observation, Verdict, judge
from targets.cooling import cool
from targets.errors import UsageError
from targets.limit import ENERGY_LIMITS, LATENCY_LIMITS, Relative
from targets.measurement import Measurement, TimingRule
from targets.modelled import instead
from targets.observing import observe
from targets.occupancy import all_occupied
from targets.progress import Progress, in_silence
from targets.taking import ENERGY, MEMORY, TIMING, Taking
from targets.target import Target

Facts = Mapping[str, Mapping[str, Observation]]

DENSE, CANDIDATE = "dense", "candidate"


@dataclass(frozen=True)
class Attempt:
    """One sitting and its verdict."""

    dense: Measurement | None
    candidate: Measurement
    verdict: Verdict


@dataclass(frozen=True)
class Trial:
    """The last attempt's measurements and verdict, and all attempts in order."""

    dense: Measurement | None
    candidate: Measurement
    verdict: Verdict
    attempts: tuple[Attempt, ...]


@dataclass(frozen=True)
class Seat:
    """An artifact and the target that runs it, for a sitting of more than one runtime."""

    target: Target
    artifact: Artifact


class Judged(Protocol):
    """Anything that carries a verdict."""

    @property
    def verdict(self) -> Verdict:
        """What was decided."""


_J = TypeVar("_J", bound=Judged)


def sitting(
    target: Target,
    artifacts: Mapping[str, Artifact],
    rule: TimingRule,
    progress: Progress = in_silence,
) -> dict[str, Measurement]:
    """Measures all artifacts in turns of fresh processes (A B B A ...), then their memory.

    Memory has processes of its own, since reading it disturbs the times.
    """
    return interleaved({name: Seat(target, one) for name, one in artifacts.items()}, rule, progress)


def interleaved(
    seats: Mapping[str, Seat], rule: TimingRule, progress: Progress = in_silence
) -> dict[str, Measurement]:
    """As `sitting`, of artifacts that may run on different runtimes.

    Nobody else of edgesmith uses the devices meanwhile.
    """
    devices = {seat.target.device.seat for seat in seats.values()}
    with all_occupied(devices, lambda told: progress(told, 0.0)):
        return _taken(seats, rule, progress)


def _taken(
    seats: Mapping[str, Seat], rule: TimingRule, progress: Progress
) -> dict[str, Measurement]:
    names = tuple(seats)
    turns = [(TIMING, name) for name in _turns(names, rule.processes)]
    turns += [(MEMORY, name) for name in _turns(names, rule.memory_processes)]
    turns += [(ENERGY, name) for name in _turns(names, rule.energy_rounds)]
    takings = {name: Taking(seat.target, seat.artifact, rule) for name, seat in seats.items()}
    for done, (what, name) in enumerate(turns):
        progress(f"{seats[name].target.runtime}: {what} {name}", done / len(turns))
        takings[name].take(what)
    progress(f"{', '.join(sorted({one.target.runtime for one in seats.values()}))}: measured", 1.0)
    return {name: taking.measurement() for name, taking in takings.items()}


def conduct(
    target: Target,
    dense: Artifact,
    candidate: Artifact,
    budget: Budget,
    facts: Facts,
    *,
    rule: TimingRule | None = None,
    progress: Progress = in_silence,
) -> Trial:
    """Measures both artifacts together and judges the candidate, a limit in percent by the dense.

    `facts` are the observations that no sitting makes (metrics), of "dense" and of "candidate".
    """
    pair = {DENSE: dense, CANDIDATE: candidate}

    def take(current: TimingRule) -> Attempt:
        measured = sitting(target, pair, current, progress)
        return judge_sitting(measured, pair, budget, facts, current.level)

    return _trial(target, take, covering(rule or TimingRule(), budget), progress)


def judge_alone(
    target: Target,
    artifact: Artifact,
    budget: Budget,
    facts: Mapping[str, Observation] | None = None,
    *,
    rule: TimingRule | None = None,
    progress: Progress = in_silence,
) -> Trial:
    """Measures one artifact and judges it by absolute limits.

    `facts` are the observations that no sitting makes (metrics).
    Raises UsageError for a limit in percent of dense, since there is no dense artifact.
    """
    absolute_only(budget)
    only = {CANDIDATE: artifact}

    def take(current: TimingRule) -> Attempt:
        measured = sitting(target, only, current, progress)
        return judge_sitting(measured, only, budget, {CANDIDATE: facts or {}}, current.level)

    return _trial(target, take, covering(rule or TimingRule(), budget), progress)


def absolute_only(budget: Budget) -> None:
    """Raises UsageError for a limit in percent of dense, where there is no dense artifact."""
    for name, limit in budget.limits().items():
        if isinstance(limit, Relative):
            raise UsageError(f"limit '{name}' is '{limit}'; a file alone takes absolute limits")


def persevere(
    take: Callable[[TimingRule], _J], rule: TimingRule, rest: Callable[[float], None]
) -> tuple[_J, ...]:
    """All attempts, the deciding one last.

    An INCONCLUSIVE line asks for one more sitting of `retry_processes`, judged alone; an INVALID
    one for a repetition, until `attempts` of them were invalid. A FAIL is final. A rest goes
    before each repetition.
    """
    attempts = [take(rule)]
    invalid, retried = 0, False
    while True:
        statuses = {line.status for line in attempts[-1].verdict.lines}
        if "FAIL" in statuses:
            break
        invalid += "INVALID" in statuses
        if "INVALID" in statuses and invalid >= rule.attempts:
            break
        if "INVALID" not in statuses:
            if retried or "INCONCLUSIVE" not in statuses:
                break
            rule, retried = rule.retried(), True
        rest(rule.cool_down_s)
        attempts.append(take(rule))
    return tuple(attempts)


def covering(rule: TimingRule, budget: Budget) -> TimingRule:
    """The rule with samples enough for every quantile that the budget limits."""
    for name in budget.limits():
        if name in LATENCY_LIMITS:
            rule = rule.covering(LATENCY_LIMITS[name])
        elif name in ENERGY_LIMITS:
            rule = rule.metering()
    return rule


def judge_sitting(
    measured: Mapping[str, Measurement],
    artifacts: Mapping[str, Artifact],
    budget: Budget,
    facts: Facts,
    level: float = TimingRule.level,
) -> Attempt:
    """The candidate of a sitting judged, a limit in percent by the dense one beside it, if any.

    All are by name, "candidate" and perhaps "dense"; `facts` are what no sitting observes; `level`
    is the rule's.
    """
    seen = {
        name: {**observe(measured[name], artifacts[name]), **facts.get(name, {})}
        for name in measured
    }
    for name, each in seen.items():
        each.update(instead(budget, each, artifacts[name]))
    dense = seen.get(DENSE, {})
    absolute = budget.against({limit: each.values() for limit, each in dense.items()})
    candidate = {**seen[CANDIDATE], **_spoiled(budget, dense, seen[CANDIDATE])}
    verdict = judge(absolute, candidate, level)
    return Attempt(measured.get(DENSE), measured[CANDIDATE], verdict)


def _spoiled(
    budget: Budget, dense: Mapping[str, Observation], candidate: Mapping[str, Observation]
) -> dict[str, Observation]:
    """Observations whose limit is relative to a dense one that must not be used."""
    spoiled = {}
    for limit, value in budget.limits().items():
        reason = dense[limit].invalid_reason if limit in dense else None
        if isinstance(value, Relative) and reason and limit in candidate:
            told = candidate[limit].invalid_reason or f"the dense baseline's {reason}"
            spoiled[limit] = replace(candidate[limit], invalid_reason=told)
    return spoiled


def _trial(
    target: Target,
    take: Callable[[TimingRule], Attempt],
    rule: TimingRule,
    progress: Progress,
) -> Trial:
    attempts = persevere(take, rule, lambda _: cool(target, rule, progress))
    last = attempts[-1]
    return Trial(last.dense, last.candidate, last.verdict, attempts)


def _turns(names: tuple[str, ...], count: int) -> list[str]:
    """Every name `count` times, each round in the reverse order of the one before."""
    rounds = [names if i % 2 == 0 else names[::-1] for i in range(count)]
    return [name for each in rounds for name in each]
