"""Which of two artifacts is faster: measured in turns (A B B A) of one session, told by intervals.

Knows no recipe: artifacts and their targets come in, measurements and a verdict go out.
"""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Literal

from targets.cooling import cool
from targets.errors import UsageError
from targets.measurement import Measurement, TimingRule
from targets.progress import Progress, in_silence
from targets.ratios import LEAST_PAIRS, Ratio, paired_ratio
from targets.trial import Seat, interleaved

COMPARED = {"p50": 0.50, "p95": 0.95}
LONGEST_WARMUP_S = 2.0
"""Where a busy machine never settles: what is left of warming up is then the same on both sides."""

Told = Literal["faster", "slower", "not told apart", "invalid"]


@dataclass(frozen=True)
class Comparison:
    """b against a.

    Attributes:
        latency: the ratio b/a of each quantile in COMPARED.
        invalid_reason: why the session must not be judged.
    """

    latency: Mapping[str, Ratio]
    invalid_reason: str | None = None

    @property
    def verdict(self) -> Told:
        """What is known with 95 % confidence of p50, where p95 does not say the opposite."""
        middle, tail = self.latency["p50"], self.latency["p95"]
        if self.invalid_reason is not None:
            return "invalid"
        if middle.below and not tail.above:
            return "faster"
        return "slower" if middle.above and not tail.below else "not told apart"


@dataclass(frozen=True)
class Session:
    """All sittings of one comparison, the last being the one that counts.

    Attributes:
        measured: each artifact's measurement in the last sitting, in order of the turns.
        invalid: why each sitting before it was repeated, and the last one's fault if it has any.
    """

    measured: Mapping[str, Measurement]
    invalid: tuple[str, ...] = ()

    def compare(self, a: str, b: str) -> Comparison:
        """b against a, both by the names that they were measured under."""
        return compared(self.measured[a], self.measured[b])


def rule_of(rule: TimingRule, rounds: int | None = None) -> TimingRule:
    """The rule with as many processes as it has rounds of comparing, and samples for each quantile.

    Args:
        rule: how a sitting is measured.
        rounds: instead of the rule's own.

    Raises:
        UsageError: 95 % confidence needs more rounds.
    """
    count = rule.comparison_rounds if rounds is None else rounds
    if count < LEAST_PAIRS:
        raise UsageError(
            f"{count} rounds can't tell two models apart with 95% confidence; "
            f"ask for at least {LEAST_PAIRS}"
        )
    warmup_s = min(rule.warmup_max_s, LONGEST_WARMUP_S)
    changed = replace(rule, processes=count, warmup_max_s=warmup_s)
    return changed.covering(max(COMPARED.values()))


def hold(seats: Mapping[str, Seat], rule: TimingRule, progress: Progress = in_silence) -> Session:
    """Measures all artifacts in turns; repeats a sitting that is invalid, `rule.attempts` in all.

    Nothing else is repeated: measuring on until a difference shows would find one in noise.
    """
    faults: list[str] = []
    while True:
        measured = interleaved(seats, rule, progress)
        fault = _fault(measured)
        faults += [fault] if fault else []
        if fault is None or len(faults) >= rule.attempts:
            return Session(measured, tuple(faults))
        cool(next(iter(seats.values())).target, rule, progress)


def compared(a: Measurement, b: Measurement) -> Comparison:
    """b against a, of one sitting; process i of one ran beside process i of the other.

    Raises UsageError for fewer processes than 95 % confidence needs.
    """
    ratios = {
        name: paired_ratio(a.latency_ms(at), b.latency_ms(at)) for name, at in COMPARED.items()
    }
    return Comparison(ratios, _fault({"A": a, "B": b}))


def _fault(measured: Mapping[str, Measurement]) -> str | None:
    faults = {name: one.invalid_reason() for name, one in measured.items()}
    return "; ".join(f"{name}: {fault}" for name, fault in faults.items() if fault) or None
