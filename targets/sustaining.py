"""Load over minutes: how latency changes as the device warms up, and a verdict on its last part.

The device is kept under load by fresh processes, one right after the other; each is a point of the
curve. The last of them are judged as a sitting is, by the sign test over processes. Drift and
throttling are what is looked for here, so they make nothing invalid; waiting for a core does.
"""

import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from targets.artifact import Artifact
from targets.budget import Budget, Observation, Verdict, judge
from targets.disturbance import disturbance
from targets.errors import UsageError
from targets.limit import ENERGY_LIMITS, LATENCY_LIMITS
from targets.measurement import ProcessSamples, TimingRule, order_statistic
from targets.observing import observe
from targets.progress import Progress, in_silence
from targets.taking import measurement_of
from targets.target import Target

LONGEST_POINT_S = 30.0
LEAST_POINTS = 10
MOST_MINUTES = 24 * 60.0
_LEFT_OUT = ("peak_memory_mb", *ENERGY_LIMITS)
_NOT_MEASURED = "sustained load is judged by latency alone"
_WARMUP_S = 0.5  # the load itself has warmed the device; caches are warm after some inferences


@dataclass(frozen=True)
class Point:
    """One process of the curve.

    Attributes:
        at_s: when it began, in seconds from the start of the load.
        p50_ms: the process's own median.
        p95_ms: the process's own 95th percentile.
        throttling: what held the device's clock down, if known.
    """

    at_s: float
    p50_ms: float
    p95_ms: float
    throttling: str


@dataclass(frozen=True)
class Sustained:
    """The curve, the processes of its last part, and what is judged of them."""

    curve: tuple[Point, ...]
    last: tuple[ProcessSamples, ...]
    observations: Mapping[str, Observation]

    def change(self) -> float:
        """The last part's p50 against the first minute's: 0.2 is 20 % slower when warm."""
        first = [one.p50_ms for one in self.curve if one.at_s <= 60.0]
        last = [one.p50_ms for one in self.curve[-len(self.last) :]]
        return order_statistic(last, 0.5) / order_statistic(first, 0.5) - 1.0

    def verdict(self, budget: Budget, rule: TimingRule) -> Verdict:
        """The last part by absolute limits."""
        return judge(budget.against({}), self.observations, rule.level)


def sustain(
    target: Target,
    artifact: Artifact,
    minutes: float,
    rule: TimingRule,
    progress: Progress = in_silence,
) -> Sustained:
    """Keeps the device under load for so many minutes.

    Args:
        target: what runs the artifact.
        artifact: the model.
        minutes: above 0; the points are of LONGEST_POINT_S at most, and LEAST_POINTS at least.
        rule: of a sitting; its number of processes are the last part.
        progress: told of every point.

    Raises:
        UsageError: minutes that are none.
    """
    if not 0 < minutes <= MOST_MINUTES:
        raise UsageError(f"{minutes:g} minutes of load; allowed: above 0, up to {MOST_MINUTES:g}")
    whole_s = 60 * minutes
    each_s = min(LONGEST_POINT_S, whole_s / max(LEAST_POINTS, 2 * rule.processes))
    pointed = replace(rule, min_seconds=each_s, max_seconds=max(rule.max_seconds, 2 * each_s))
    begun, starts, found = time.monotonic(), list[float](), list[ProcessSamples]()
    while not found or time.monotonic() - begun < whole_s or len(found) < rule.processes:
        starts.append(time.monotonic() - begun)
        progress(f"under load for {starts[-1]:.0f} s", min(1.0, starts[-1] / whole_s))
        found.append(target.sample(artifact, pointed))
        pointed = replace(pointed, warmup_max_s=_WARMUP_S, warmup_min_s=0.0)
    return _sustained(target, artifact, starts, found[-rule.processes :], found)


def _sustained(
    target: Target,
    artifact: Artifact,
    starts: Sequence[float],
    last: Sequence[ProcessSamples],
    found: Sequence[ProcessSamples],
) -> Sustained:
    curve = tuple(_point(at_s, one) for at_s, one in zip(starts, found, strict=True))
    measured = measurement_of(target, artifact, tuple(last))
    seen = observe(measured, artifact)
    busy = disturbance([_Steady(one.waiting_share) for one in last])
    latency = {name: replace(seen[name], invalid_reason=busy) for name in LATENCY_LIMITS}
    left_out = {name: Observation(missing_reason=_NOT_MEASURED) for name in _LEFT_OUT}
    return Sustained(curve, tuple(last), {**seen, **latency, **left_out})


@dataclass(frozen=True)
class _Steady:
    """A process of which only its waiting counts against it."""

    waiting_share: float | None

    def drift(self) -> float:
        return 0.0

    def reference_change(self) -> float:
        return 0.0

    def throttling(self) -> None:
        return None


def _point(at_s: float, process: ProcessSamples) -> Point:
    middle, tail = (order_statistic(process.latency_ns, at) / 1e6 for at in (0.5, 0.95))
    return Point(at_s, middle, tail, process.conditions.get("throttling", "unavailable: not told"))
