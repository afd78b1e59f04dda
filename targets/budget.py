"""A budget: the limits that an artifact must meet, and the verdict on what was observed.

The rule for samples is the sign test of targets/sign_test.py: so many processes of a sitting must
be within the limit (its false-pass rate at the budget is at most 4.6 % including one repetition;
scripts/bench-verdict simulates it).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import Field

from targets.errors import UsageError
from targets.limit import LIMITS, LatencyLimits, Limit, MetricLimits, Relative, Section
from targets.measurement import TimingRule, median, order_statistic
from targets.sign_test import SEEN_CHANCE, needed, resolution

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "INVALID", "UNVERIFIED"]
_WORST_FIRST: tuple[Status, ...] = ("FAIL", "INVALID", "UNVERIFIED", "INCONCLUSIVE", "PASS")

# Two scores in [0, 1] and their difference round by at most 2.2e-16 each; a drop of exactly
# 0.01 must not fail a limit of 0.01.
_ROUNDING = 1e-9


class Budget(Section):
    """The limits of a recipe's `budget:` section. kB is 1,000 bytes, MB 1,000,000."""

    latency_ms: LatencyLimits = Field(
        default_factory=LatencyLimits,
        description="Limits in milliseconds on quantiles of one inference's time.",
    )
    peak_memory_mb: Limit | None = Field(
        default=None, description="Of the process, above what importing the runtime takes; in MB."
    )
    size_kb: Limit | None = Field(default=None, description="All files of the artifact; in kB.")
    energy_mj: Limit | None = Field(default=None, description="Per inference, above idle; in mJ.")
    power_w: Limit | None = Field(
        default=None, description="Drawn by the device while it infers; in W."
    )
    metric: MetricLimits | None = Field(
        default=None, description="How much worse than dense it may be."
    )

    def limits(self) -> dict[str, float | Relative]:
        """The limits that are set, by name, in the order of LIMITS."""
        found: dict[str, float | Relative] = {}
        for name in LIMITS:
            section, _, key = name.rpartition(".")
            holder = getattr(self, section) if section else self
            value = getattr(holder, key) if holder is not None else None
            if value is not None:
                found[name] = value
        return found

    def with_limits(self, limits: Mapping[str, float | Relative]) -> "Budget":
        """This budget with limits of the command line, by name, set or replaced."""
        document = self.model_dump(exclude_none=True)
        for name, limit in limits.items():
            section, _, key = name.rpartition(".")
            holder = document.setdefault(section, {}) if section else document
            holder[key] = limit
        return Budget.model_validate(document)

    def against(self, dense: Mapping[str, float | Sequence[float]]) -> "AbsoluteBudget":
        """The budget with relative limits made absolute by the dense baseline's values.

        Several values are those of the dense processes in the order in which the candidate's were
        taken: their median makes the limit absolute, and each process is judged beside its
        neighbour. A limit whose dense value is missing keeps no number, and is judged UNVERIFIED.
        """
        return AbsoluteBudget(
            tuple(_resolve(name, limit, dense.get(name)) for name, limit in self.limits().items())
        )


@dataclass(frozen=True)
class AbsoluteLimit:
    """One limit as a number, and as it was stated. None: relative to what was not measured.

    `baseline` holds the dense processes that a relative limit came from, for pairing.
    """

    limit: str
    budget: float | None
    stated: str
    baseline: tuple[float, ...] = ()

    def paired(self, values: list[float]) -> list[float]:
        """Each value as it would be had its dense neighbour been the median one.

        The median of five noisy processes is itself noisy: candidates at the limit, judged by it,
        passed 12-13 % of the time in simulation. A ratio to the neighbour that ran beside it is
        one process's own, so that the chance is again that of unanimity.
        """
        if len(values) != len(self.baseline) or min(self.baseline, default=0.0) <= 0:
            return values
        middle = median(self.baseline)
        return [
            value * middle / beside for value, beside in zip(values, self.baseline, strict=True)
        ]


@dataclass(frozen=True)
class AbsoluteBudget:
    """A budget in numbers alone, for one sitting."""

    limits: tuple[AbsoluteLimit, ...]


def _resolve(
    name: str, limit: float | Relative, dense: float | Sequence[float] | None
) -> AbsoluteLimit:
    if not isinstance(limit, Relative):
        return AbsoluteLimit(name, limit, f"{limit:g}")
    values = tuple(dense) if isinstance(dense, Sequence) else () if dense is None else (dense,)
    budget = median(values) * limit.percent / 100 if values else None
    return AbsoluteLimit(name, budget, str(limit), values)


@dataclass(frozen=True)
class Observation:
    """What was seen of one limit: samples per process, or one number; with its provenance.

    With a quantile each process counts by its own quantile, without one by its maximum.
    `unmeasured_reason` says why the number is one that was not measured.
    """

    samples: tuple[tuple[float, ...], ...] = ()
    value: float | None = None
    quantile: float | None = None
    provenance: str = "measured-on-device"
    invalid_reason: str | None = None
    missing_reason: str | None = None
    unmeasured_reason: str | None = None

    def values(self) -> list[float]:
        """One number per process, or the single number; empty where nothing was observed."""
        if self.missing_reason is not None:
            return []
        if self.value is not None:
            return [self.value]
        return [order_statistic(each, self.quantile or 1.0) for each in self.samples if each]


@dataclass(frozen=True)
class Line:
    """One limit judged: `observed` is the median over processes, `bound` what must be within it.

    The bound is the process that completes the number needed: of 5 of 5 the largest, of 18 of 23
    the eighteenth. `resolution` is how far from the limit, as a share of it, this many samples see.
    Under a relative limit a process counts as AbsoluteLimit.paired says.
    """

    limit: str
    budget: float | None
    observed: float | None
    bound: float | None
    status: Status
    reason: str
    stated: str
    resolution: float | None = None

    def share(self) -> float | None:
        """The bound as a share of the budget; 1.0 is at the limit. None where one is missing."""
        if self.bound is None or not self.budget:
            return None
        return self.bound / self.budget


@dataclass(frozen=True)
class Verdict:
    """The worst line's status and all lines."""

    status: Status
    lines: tuple[Line, ...]


def worst(statuses: Iterable[Status]) -> Status:
    """The worst of some statuses: FAIL, INVALID, UNVERIFIED, INCONCLUSIVE, PASS."""
    return min(statuses, key=_WORST_FIRST.index)


def told(verdict: Verdict) -> str:
    """A verdict in a line: its status, and each limit that was not met."""
    missed = [_missed(line) for line in verdict.lines if line.status != "PASS"]
    return ": ".join([verdict.status, "; ".join(missed)]) if missed else verdict.status


def _missed(line: Line) -> str:
    numbers = {"observed": line.observed, "bound": line.bound, "budget": line.budget}
    shown = ", ".join(f"{name} {value:.4g}" for name, value in numbers.items() if value is not None)
    return " ".join(part for part in (line.limit, line.status, shown, f"({line.reason})") if part)


def rank(status: Status) -> int:
    """How good a status is: 0 for FAIL, the largest for PASS."""
    return _WORST_FIRST.index(status)


def judge(
    budget: AbsoluteBudget, observations: Mapping[str, Observation], level: float = TimingRule.level
) -> Verdict:
    """Judges every limit of the budget by its observation.

    Args:
        budget: at least one limit.
        observations: by the limit's name; a limit that has none is UNVERIFIED.
        level: the largest chance of passing at the limit, of targets.sign_test.

    Raises:
        UsageError: the budget has no limits.
    """
    if not budget.limits:
        raise UsageError(f"no limit to judge by; set one of {', '.join(LIMITS)}")
    lines = tuple(_line(limit, observations.get(limit.limit), level) for limit in budget.limits)
    return Verdict(worst(line.status for line in lines), lines)


def _line(limit: AbsoluteLimit, observation: Observation | None, level: float) -> Line:
    values = sorted(limit.paired(observation.values())) if observation else []
    faulty = unjudged(limit.budget, observation, values)
    observed = median(values) if values else None
    bound = values[needed(len(values), level) - 1] if values else None
    if faulty is not None or limit.budget is None:
        status, reason = faulty or ("UNVERIFIED", "")
        return Line(limit.limit, limit.budget, observed, bound, status, reason, limit.stated)
    status, reason = _compare(limit.budget, values, level)
    seen = resolution(values, limit.budget, level)
    told = reason if seen is None else f"{reason}; {_power(seen)}"
    return Line(limit.limit, limit.budget, observed, bound, status, told, limit.stated, seen)


def unjudged(
    budget: float | None, observation: Observation | None, values: list[float]
) -> tuple[Status, str] | None:
    """The status and reason of values that must not be compared with the budget; else None."""
    if observation is None or observation.missing_reason:
        missing = observation.missing_reason if observation else None
        return "UNVERIFIED", f"not measured: {missing}" if missing else "not measured"
    if observation.invalid_reason or not values:
        told = observation.invalid_reason
        return ("INVALID", told) if told else ("UNVERIFIED", "not measured")
    if not all(math.isfinite(value) for value in values):
        return "INVALID", "the observation is not a finite number"
    if budget is None:
        return "UNVERIFIED", "the dense baseline was not measured"
    if observation.provenance != "measured-on-device":
        told = f"only {observation.provenance}, not measured on the device"
        reason = observation.unmeasured_reason
        return "UNVERIFIED", f"{told}: {reason}" if reason else told
    return None


def _compare(budget: float, values: list[float], level: float) -> tuple[Status, str]:
    count, least = len(values), needed(len(values), level)
    within = sum(value <= budget * (1 + _ROUNDING) for value in values)
    if count == 1:
        return ("PASS", "within the limit") if within else ("FAIL", "over the limit")
    told = f"{within} of {count} processes are within the limit"
    told = told if least == count else f"{told}, {least} are needed"
    if within >= least:
        return "PASS", told
    return ("FAIL" if count - within >= least else "INCONCLUSIVE"), told


def _power(resolution: float) -> str:
    return f"so many see a distance of {resolution:.1%}, {SEEN_CHANCE * 5:g} times in 5"


assert set(get_args(Status)) == set(_WORST_FIRST)
