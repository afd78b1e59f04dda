"""Timing probes: several in each fresh process, in turns with the reference that tells drift."""

import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Protocol

from pipeline.cost.table import Timing
from targets.artifact import Artifact
from targets.disturbance import LARGEST_DRIFT, LARGEST_REFERENCE_CHANGE
from targets.errors import MeasurementInvalid
from targets.measurement import (
    QUANTILES,
    ProcessSamples,
    TimingRule,
    least_samples,
    median,
    order_statistic,
)

PROBING = TimingRule(
    min_samples=100,
    min_seconds=0.12,
    max_seconds=6.0,
    warmup_min_iterations=20,
    warmup_min_s=0.04,
    warmup_max_s=0.6,
    warmup_stable_iterations=20,
    cool_down_s=3.0,
)
"""Short: what a fit asks of one probe is a median, and it has dozens of probes."""


class Times(Protocol):
    """What times artifacts: a target, as targets.target has it."""

    def sample_in_turns(
        self, artifacts: Sequence[Artifact], rule: TimingRule, seed: int = 0, rounds: int = 5
    ) -> tuple[ProcessSamples, ...]:
        """The latencies of several artifacts in one fresh process."""


@dataclass(frozen=True)
class Stopwatch:
    """Times artifacts beside a reference.

    Attributes:
        target: what they run on.
        reference: the dense artifact.
        rule: the short rule.
        rest: waits for as many seconds, before a disturbed process is repeated.
    """

    target: Times
    reference: Artifact
    rule: TimingRule = PROBING
    rest: Callable[[float], None] = time.sleep

    def session(self, artifacts: Mapping[str, Artifact], seed: int) -> dict[str, Timing]:
        """One process's timings by name. A process in which the reference drifts is repeated.

        Raises MeasurementInvalid where it drifts every time.
        """
        together = [self.reference, *artifacts.values()]
        reasons = []
        for attempt in range(self.rule.attempts):
            if attempt:
                self.rest(self.rule.cool_down_s)
            found = self.target.sample_in_turns(together, self.rule, seed + attempt)
            reason = disturbed(found[0])
            if reason is None:
                return _timings(artifacts, found)
            reasons.append(reason)
        raise MeasurementInvalid(
            f"the device drifts while probing, in {len(reasons)} attempts: {'; '.join(reasons)}. "
            "Nothing is averaged over that: end what else it does, let it cool, and run it again"
        )


def disturbed(reference: ProcessSamples) -> str | None:
    """Why a process's times are not to be used, or None."""
    if abs(reference.drift()) > LARGEST_DRIFT:
        return f"the reference drifts by {reference.drift():+.1%} (allowed ±{LARGEST_DRIFT:.0%})"
    if abs(reference.reference_change()) > LARGEST_REFERENCE_CHANGE:
        change = reference.reference_change()
        return f"a fixed kernel changes by {change:+.1%} (allowed ±{LARGEST_REFERENCE_CHANGE:.0%})"
    return None


def check_steady(references_ns: Sequence[int]) -> None:
    """Raises MeasurementInvalid where the reference's medians differ too much between processes:
    dividing drift out works for a device that wanders, not for one that changes its speed."""
    middle = median(references_ns)
    off = order_statistic([abs(one / middle - 1) for one in references_ns], 0.9)
    if off > LARGEST_REFERENCE_CHANGE:
        raise MeasurementInvalid(
            f"the device drifts while probing: of {len(references_ns)} processes a tenth time the "
            f"reference {off:.1%} or more off its median (allowed "
            f"±{LARGEST_REFERENCE_CHANGE:.0%}). End what else it does, let it cool, and run it "
            "again"
        )


def _timings(
    artifacts: Mapping[str, Artifact], found: Sequence[ProcessSamples]
) -> dict[str, Timing]:
    reference_ns = round(median(found[0].latency_ns))
    names = zip(artifacts, found[1:], strict=True)
    timings = {name: _timing(samples, reference_ns) for name, samples in names}
    return {"dense": _timing(found[0], reference_ns), **timings}


def _timing(samples: ProcessSamples, reference_ns: int) -> Timing:
    latency, count = samples.latency_ns, len(samples.latency_ns)
    p50 = median(latency)
    ratios = {
        name: order_statistic(latency, at) / p50
        for name, at in QUANTILES.items()
        if name != "p50" and count >= least_samples(at)
    }
    return Timing(p50_ns=round(p50), reference_ns=reference_ns, ratios=ratios, samples=count)
