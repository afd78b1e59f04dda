"""A budget: the limits that an artifact must meet, and the verdict on what was observed.

The rule for samples is the unanimity of processes (its false-pass rate at the budget is at most
4.7 % including one repetition; tests/targets/test_statistics.py simulates it).
"""

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal, get_args

from pydantic import BaseModel, ConfigDict, Field

from targets.errors import UsageError
from targets.limit import LIMITS, Drop, Limit, Relative
from targets.measurement import median, order_statistic

Status = Literal["PASS", "FAIL", "INCONCLUSIVE", "INVALID", "UNVERIFIED"]
_WORST_FIRST: tuple[Status, ...] = ("FAIL", "INVALID", "UNVERIFIED", "INCONCLUSIVE", "PASS")

# Two scores in [0, 1] and their difference round by at most 2.2e-16 each; a drop of exactly
# 0.01 must not fail a limit of 0.01.
_ROUNDING = 1e-9


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class LatencyLimits(_Section):
    """Limits in milliseconds on quantiles of the latency."""

    p50: Limit | None = Field(default=None, description="The median of one inference's time.")
    p90: Limit | None = Field(
        default=None, description="The 90th percentile of one inference's time."
    )
    p95: Limit | None = Field(
        default=None, description="The 95th percentile of one inference's time."
    )
    p99: Limit | None = Field(
        default=None, description="The 99th percentile of one inference's time."
    )


class MetricLimits(_Section):
    """How far a metric, over all or in its worst class, may fall below the dense model's."""

    name: str = Field(description="The metric's name, one of the task's.")
    max_drop: Drop | None = Field(default=None, description="Below the dense model's, at most.")
    max_class_drop: Drop | None = Field(
        default=None, description="Below the dense model's in the class that loses most, at most."
    )


class Budget(_Section):
    """The limits of a recipe's `budget:` section. kB is 1,000 bytes, MB 1,000,000."""

    latency_ms: LatencyLimits = Field(
        default_factory=LatencyLimits,
        description="Limits in milliseconds on quantiles of one inference's time.",
    )
    peak_memory_mb: Limit | None = Field(
        default=None, description="Of the process, above what importing the runtime takes; in MB."
    )
    size_kb: Limit | None = Field(default=None, description="All files of the artifact; in kB.")
    energy_mj: Limit | None = Field(default=None, description="Per inference; in mJ.")
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
    """

    samples: tuple[tuple[float, ...], ...] = ()
    value: float | None = None
    quantile: float | None = None
    provenance: str = "measured-on-device"
    invalid_reason: str | None = None
    missing_reason: str | None = None

    def values(self) -> list[float]:
        """One number per process, or the single number; empty where nothing was observed."""
        if self.missing_reason is not None:
            return []
        if self.value is not None:
            return [self.value]
        return [order_statistic(each, self.quantile or 1.0) for each in self.samples if each]


@dataclass(frozen=True)
class Line:
    """One limit judged: `observed` is the median over processes, `bound` their largest.

    Under a relative limit a process counts as AbsoluteLimit.paired says.
    """

    limit: str
    budget: float | None
    observed: float | None
    bound: float | None
    status: Status
    reason: str
    stated: str

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


def judge(budget: AbsoluteBudget, observations: Mapping[str, Observation]) -> Verdict:
    """Judges every limit of the budget by its observation.

    Raises UsageError for a budget without limits.
    """
    if not budget.limits:
        raise UsageError(f"no limit to judge by; set one of {', '.join(LIMITS)}")
    lines = tuple(_line(limit, observations.get(limit.limit)) for limit in budget.limits)
    return Verdict(worst(line.status for line in lines), lines)


def _line(limit: AbsoluteLimit, observation: Observation | None) -> Line:
    values = limit.paired(observation.values()) if observation else []
    status, reason = _decide(limit.budget, observation, values)
    observed = median(values) if values else None
    bound = max(values, default=None)
    return Line(limit.limit, limit.budget, observed, bound, status, reason, limit.stated)


def _decide(
    budget: float | None, observation: Observation | None, values: list[float]
) -> tuple[Status, str]:
    if observation is None or not values:
        missing = observation.missing_reason if observation else None
        return "UNVERIFIED", f"not measured: {missing}" if missing else "not measured"
    if observation.invalid_reason:
        return "INVALID", observation.invalid_reason
    if not all(math.isfinite(value) for value in values):
        return "INVALID", "the observation is not a finite number"
    if budget is None:
        return "UNVERIFIED", "the dense baseline was not measured"
    if observation.provenance != "measured-on-device":
        return "UNVERIFIED", f"only {observation.provenance}, not measured on the device"
    return _compare(budget, values)


def _compare(budget: float, values: list[float]) -> tuple[Status, str]:
    within = [value <= budget * (1 + _ROUNDING) for value in values]
    if len(values) == 1:
        return ("PASS", "within the limit") if within[0] else ("FAIL", "over the limit")
    told = f"{sum(within)} of {len(values)} processes are within the limit"
    if all(within):
        return "PASS", told
    return ("INCONCLUSIVE" if any(within) else "FAIL"), told


assert set(get_args(Status)) == set(_WORST_FIRST)
