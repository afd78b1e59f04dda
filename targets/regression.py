"""Whether an artifact is worse than a baseline by more than is allowed: both measured in turns.

A regression is a ratio new/baseline whose lower bound, at 95 %, is above what is allowed. The ratio
is that of processes side by side (targets/ratios.py), so that neither a machine other than the
baseline's nor a slow spell is taken for one.

There is a first session of `comparison_rounds` pairs, and where that neither shows a regression
nor excludes it, another of RETRY_ROUNDS pairs, judged alone. As in targets/sign_test.py, the
chance of a false alarm is split between the two, so that together they keep 95 %. What both leave
open is no regression, and the line says how much was not excluded. Why two: where 15 % of
processes start 30 % slower on both sides, one session of 8 pairs shows an artifact 20 % slower to
be beyond 5 % in 69 of 100 sessions, this way in 98; scripts/bench-gate simulates both.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, replace

from targets.artifact import Artifact
from targets.budget import Budget, Line, Observation, Status, Verdict, unjudged, worst
from targets.cooling import cool
from targets.errors import RecipeError
from targets.limit import LIMITS, METRIC_LIMITS, limit_named
from targets.measurement import Measurement, TimingRule
from targets.modelled import MODELLED
from targets.observing import observe
from targets.progress import Progress, in_silence
from targets.ratios import LEAST_PAIRS, Ratio, paired_ratio
from targets.trial import Seat, covering, interleaved, persevere

BASELINE, NEW = "baseline", "new"
PREFIX = "regression."
"""What the name of a line begins with, before that of the quantity."""
LEAST_S, LONGEST_WARMUP_S = 0.5, 1.0
"""Each process is shorter than one of a trial: a ratio rests on many processes side by side, and
what is left of warming up is then the same on both sides."""
RETRY_ROUNDS = 20
"""Of the second session, at least: what processes of which 15 % start 30 % slower ask for."""
QUANTITIES = tuple(name for name in LIMITS if name not in METRIC_LIMITS)
"""What may be compared: all that a sitting tells of."""

Allowed = Mapping[str, float]
"""By quantity, the largest increase over the baseline as a share of it: 0.05 is 5 %."""

_PERCENT = re.compile(r"\+?([0-9]+(?:\.[0-9]*)?|\.[0-9]+)\s*%", re.ASCII)
_ROUNDING = 1e-9


@dataclass(frozen=True)
class Attempt:
    """One session and what it says."""

    measured: Mapping[str, Measurement]
    verdict: Verdict
    ratios: Mapping[str, Ratio]


@dataclass(frozen=True)
class Regression:
    """What all sessions came to: the deciding one is the last.

    Attributes:
        verdict: of the last session; what it leaves open is no regression.
        attempts: all sessions, in order.
    """

    verdict: Verdict
    attempts: tuple[Attempt, ...]

    @property
    def measured(self) -> Mapping[str, Measurement]:
        """Both sides of the deciding session."""
        return self.attempts[-1].measured

    @property
    def ratios(self) -> Mapping[str, Ratio]:
        """New / baseline by quantity, where the deciding session tells it."""
        return self.attempts[-1].ratios


def allowed_from_text(text: str) -> tuple[str, float]:
    """Reads one allowed increase of the command line, such as "latency_ms.p50=5%".

    Raises RecipeError saying what was found and what is allowed.
    """
    name, equals, value = text.partition("=")
    if not equals:
        raise RecipeError(f"--max-regression '{text}' has no value; write it as latency_ms.p50=5%")
    name = limit_named(name.strip())
    if name not in QUANTITIES:
        raise RecipeError(
            f"--max-regression {name}: no sitting measures it; allowed: {', '.join(QUANTITIES)}"
        )
    percent = _PERCENT.fullmatch(value.strip())
    if percent is None:
        raise RecipeError(
            f"--max-regression {name}: found '{value}'; allowed: a share of the baseline in "
            "percent from 0%, such as 5%"
        )
    return name, float(percent.group(1)) / 100


def rule_of(rule: TimingRule, allowed: Allowed) -> TimingRule:
    """The rule of the first session: as many processes as a comparison has rounds, and memory and
    energy only where they are compared."""
    rounds = max(rule.comparison_rounds, rule.processes)
    changed = covering(rule, Budget().with_limits(dict.fromkeys(allowed, 1.0)))
    return replace(
        changed,
        processes=rounds,
        retry_processes=max(rounds, RETRY_ROUNDS),
        memory_processes=rounds if "peak_memory_mb" in allowed else 0,
        energy_rounds=max(LEAST_PAIRS, changed.energy_rounds) if changed.energy_rounds else 0,
        min_seconds=min(rule.min_seconds, LEAST_S),
        warmup_max_s=min(rule.warmup_max_s, LONGEST_WARMUP_S),
    )


def hold(
    seats: Mapping[str, Seat], allowed: Allowed, rule: TimingRule, progress: Progress = in_silence
) -> Regression:
    """Measures the seats BASELINE and NEW in turns and judges what was found.

    A session of a disturbed device is repeated, `rule.attempts` in all, and is INVALID then.
    """
    first = rule_of(rule, allowed)
    artifacts = {name: seat.artifact for name, seat in seats.items()}

    def take(current: TimingRule) -> Attempt:
        if not first.memory_processes:
            current = replace(current, memory_processes=0)
        return judged(interleaved(seats, current, progress), artifacts, allowed, current.level)

    target = seats[NEW].target
    attempts = persevere(take, first, lambda _: cool(target, first, progress))
    return Regression(settled(attempts[-1].verdict), attempts)


def unmeasured(artifacts: Mapping[str, Artifact], allowed: Allowed) -> Regression:
    """What can be said where neither side can be measured: their sizes, and nothing else."""
    nothing = {
        name: Measurement(one.sha256, one.runtime, (), (), MODELLED)
        for name, one in artifacts.items()
    }
    attempt = judged(nothing, artifacts, allowed, TimingRule.level)
    return Regression(settled(attempt.verdict), (attempt,))


def judged(
    measured: Mapping[str, Measurement],
    artifacts: Mapping[str, Artifact],
    allowed: Allowed,
    level: float,
) -> Attempt:
    """One session of BASELINE and NEW, judged by `judge`; process i of both ran side by side."""
    seen = {name: observe(one, artifacts[name]) for name, one in measured.items()}
    verdict, ratios = judge(seen[BASELINE], seen[NEW], allowed, level)
    return Attempt(measured, verdict, ratios)


def judge(
    old: Mapping[str, Observation],
    new: Mapping[str, Observation],
    allowed: Allowed,
    level: float,
) -> tuple[Verdict, dict[str, Ratio]]:
    """A line for each quantity, INCONCLUSIVE where the session leaves it open; and the ratios.

    Args:
        old: the baseline's observations by quantity.
        new: as many, in pairs.
        allowed: the quantities and how much worse each may be; at least one.
        level: the largest chance that an artifact exactly at what is allowed is called worse.
    """
    found = {name: _line(name, most, old[name], new[name], level) for name, most in allowed.items()}
    lines = tuple(line for line, _ in found.values())
    ratios = {name: ratio for name, (_, ratio) in found.items() if ratio is not None}
    return Verdict(worst(line.status for line in lines), lines), ratios


def undecided(allowed: Allowed, reason: str) -> Verdict:
    """The verdict where there is nothing to measure against: every line is INCONCLUSIVE."""
    lines = tuple(
        Line(PREFIX + name, 1 + most, None, None, "INCONCLUSIVE", reason, _stated(most))
        for name, most in allowed.items()
    )
    return Verdict("INCONCLUSIVE", lines)


def settled(verdict: Verdict) -> Verdict:
    """The verdict of the last session: where no regression was shown there is none."""
    lines = tuple(
        replace(line, status="PASS") if line.status == "INCONCLUSIVE" else line
        for line in verdict.lines
    )
    return Verdict(worst(line.status for line in lines), lines)


def _line(
    name: str, most: float, old: Observation, new: Observation, level: float
) -> tuple[Line, Ratio | None]:
    limit, stated = 1 + most, _stated(most)
    values = {BASELINE: old.values(), NEW: new.values()}
    for side, one in ((BASELINE, old), (NEW, new)):
        faulty = unjudged(limit, one, values[side])
        if faulty is not None:
            reason = f"{side}: {faulty[1]}"
            return Line(PREFIX + name, limit, None, None, faulty[0], reason, stated), None
    ratio = _ratio(values[BASELINE], values[NEW], level)
    if isinstance(ratio, str):
        return Line(PREFIX + name, limit, None, None, "UNVERIFIED", ratio, stated), None
    return _compared(PREFIX + name, most, ratio, len(values[NEW])), ratio


def _ratio(old: list[float], new: list[float], level: float) -> Ratio | str:
    """New / baseline, or why there is none. Single numbers are facts, and so is their ratio."""
    least = min(*old, *new)
    if least <= 0:
        return f"a reading of {least:g} has no ratio"
    if len(old) == len(new) == 1:
        exact = new[0] / old[0]
        return Ratio(exact, exact, exact)
    if len(old) != len(new):
        return f"{len(old)} readings of the baseline and {len(new)} of the new one make no pairs"
    return paired_ratio(old, new, 1 - 2 * level)


def _compared(name: str, most: float, ratio: Ratio, pairs: int) -> Line:
    limit = (1 + most) * (1 + _ROUNDING)
    told = f"{ratio.estimate:.4g} times the baseline"
    if pairs > 1:
        told += f" ({ratio.low:.4g} to {ratio.high:.4g}, {pairs} pairs)"
    status: Status = "FAIL" if ratio.low > limit else "PASS"
    if ratio.low <= limit < ratio.high:
        status, told = "INCONCLUSIVE", f"{told}; {ratio.high - 1:+.1%} is not excluded"
    return Line(name, 1 + most, ratio.estimate, ratio.low, status, told, _stated(most))


def _stated(most: float) -> str:
    return f"+{most * 100:g}% of the baseline"
