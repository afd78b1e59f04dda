"""How many of a sitting's processes must be within a limit: the sign test. Pure.

A process is one replicate: whatever its noise, an artifact exactly at the limit (its median
process at the limit) has each process within it with the chance 1/2, each for itself. So the
number within is binomial, and "at least k of n" passes it no more often than P(Bin(n, 1/2) >= k)
(Conover 1999, Practical Nonparametric Statistics, section 3.4). No shape of noise is assumed: a
t-interval or a signed-rank test owes its level to a symmetry that unlucky starts don't have.

The chance of a false pass that a confidence leaves is spent on two sittings: five of eight parts
on the first, one on the sitting that follows an undecided first, and two are kept back, as no
simulation tells what processes of a real device owe each other. At 95 % that is 5 of 5 (1/32) and
then 18 of 23 (0.5 %), 3.6 % in all. Six of six in the second, as it was once, passes only 62 % of
artifacts 5 % under the limit where processes scatter by 5 %; 18 of 23 may miss one in five and
passes 94 %.
"""

import itertools
import math
from collections.abc import Sequence
from dataclasses import replace
from functools import cache
from statistics import NormalDist, stdev

from targets.errors import UsageError
from targets.measurement import TimingRule, fewest

CONFIDENCE = 0.95
FIRST_SHARE, SECOND_SHARE = 5 / 8, 1 / 8
LARGEST_MISSES = 0.21
"""Of the second sitting's processes: what unlucky starts (15 % of processes) need, and some."""
SEEN_CHANCE = 0.8
"""How often a distance must be seen to be called seen: customary for the power of a test."""
CONFIDENCES = (0.5, 0.9999)

_ROUNDING = 1e-9  # 1 - 0.95 is not 0.05, and 5 of 5 is 1/32 exactly
_DIGITS = 12
_HALVINGS = 50


@cache
def needed(processes: int, level: float) -> int:
    """The least number of processes within the limit that passes; `processes` where none does.

    Args:
        processes: of the sitting, at least 1.
        level: the largest chance of passing at the limit.
    """
    counts = range(processes // 2 + 1, processes + 1)
    return next((k for k in counts if tail(k, processes) <= level + _ROUNDING), processes)


def tail(least: int, processes: int, within: float = 0.5) -> float:
    """P(Bin(processes, within) >= least)."""
    ways = (
        math.comb(processes, k) * within**k * (1 - within) ** (processes - k)
        for k in range(least, processes + 1)
    )
    return math.fsum(ways)


def asked_rule(
    processes: int | None = None, samples: int | None = None, confidence: float | None = None
) -> TimingRule:
    """The rule of a sitting with what is asked for instead of its defaults.

    Args:
        processes: of the first sitting; without it as few as the confidence allows, at least the
            rule's own number.
        samples: per process, at least; a limit on a quantile may need more and then takes more.
        confidence: the share of artifacts at the limit that must not pass, such as 0.95.

    Raises:
        UsageError: a number out of range, or too few processes for the confidence.
    """
    stated = CONFIDENCE if confidence is None else confidence
    rule = _confident(TimingRule(), stated)
    least = fewest(rule.level)
    if processes is not None and processes < least:
        raise UsageError(
            f"{processes} processes can't decide with {stated:.6g} confidence, even if all agree; "
            f"ask for at least {least}"
        )
    if samples is not None and samples < 1:
        raise UsageError(f"{samples} samples per process: ask for at least 1")
    first = processes or max(rule.processes, least)
    return replace(
        rule,
        processes=first,
        memory_processes=first,
        retry_processes=max(first, _second(rule.retry_level)),
        min_samples=samples or rule.min_samples,
    )


def resolution(values: Sequence[float], limit: float, level: float) -> float | None:
    """How far from the limit, as a share of it, a sitting like this one sees 4 times in 5.

    A distance is seen if the processes that are needed fall on its side. Their scatter is taken
    as normal with the deviation found; None for fewer than two processes.
    """
    count = len(values)
    if count < 2 or limit <= 0:
        return None
    return _deviations(count, needed(count, level)) * stdev(values) / limit


@cache
def _deviations(processes: int, least: int) -> float:
    """By how many deviations of a process the limit must be away."""
    low, high = 0.5, 1.0
    for _ in range(_HALVINGS):
        middle = (low + high) / 2
        if tail(least, processes, middle) < SEEN_CHANCE:
            low = middle
        else:
            high = middle
    return NormalDist().inv_cdf(high)


def _confident(rule: TimingRule, confidence: float) -> TimingRule:
    low, high = CONFIDENCES
    if not low <= confidence <= high:
        raise UsageError(f"confidence is {confidence:g}; allowed: from {low:g} to {high:g}")
    first, second = ((1 - confidence) * share for share in (FIRST_SHARE, SECOND_SHARE))
    return replace(rule, level=round(first, _DIGITS), retry_level=round(second, _DIGITS))


def _second(level: float) -> int:
    """The fewest processes that keep the level though LARGEST_MISSES of them may miss."""
    counts = itertools.count(fewest(level))
    return next(n for n in counts if 1 - needed(n, level) / n >= LARGEST_MISSES - _ROUNDING)
