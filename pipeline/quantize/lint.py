"""Linting: what calibration data do to a plan that its user would want to know.

Every finding comes with the numbers that it rests on.
"""

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass

from torch import Tensor

from pipeline.graph import Graph
from pipeline.quantize.observations import Histogram, Observations
from pipeline.quantize.plan import QuantPlan, TensorQuantization
from pipeline.quantize.preprocessing import match_preprocessing
from pipeline.quantize.ranges import GREATEST, LEAST
from pipeline.quantize.witness import Seen, Witness, witness

FEW = 32
"""Fewer samples than this say little, whatever they hold."""
GROWTH = 1.05
"""A range is settled if the last doubling of the samples widened it by no more."""
UNSETTLED = 0.25
"""Share of tensors whose range may be unsettled."""
CLIPPED = 1e-3
"""Share of a tensor's values beyond its range."""
ALONE = 2.0
"""How much further one sample may reach than all others."""
SHIFT, SPREAD = 0.5, 2.0
"""How far the first batch norm's input may lie off, in deviations, and how much wider it may be.
Augmented training data are a little wider than calibration data."""


@dataclass(frozen=True)
class Finding:
    """One warning.

    Attributes:
        kind: "few-samples", "unsettled-ranges", "saturation", "outlier", "preprocessing" or
            "dead-channels".
        tensor: which one; "" for all.
        message: what was found and what to do, in a sentence.
        evidence: the numbers, by name.
    """

    kind: str
    tensor: str
    message: str
    evidence: Mapping[str, float]


def lint(
    graph: Graph, observed: Observations, plan: QuantPlan, batches: Iterable[tuple[Tensor, ...]]
) -> tuple[Finding, ...]:
    """What is doubtful about the calibration data and the ranges that came of them.

    Args:
        graph: the float graph.
        observed: what `observe` found.
        plan: what was decided by it.
        batches: the calibration inputs once more; an iterable that can be run through twice.

    Raises TaskError for batches that the graph can't take.
    """
    seen = witness(graph, batches)
    return (
        *_few(seen),
        *_unsettled(seen),
        *_saturated(observed, plan),
        *_outliers(seen),
        *_mismatch(graph, batches),
        *_dead(seen),
    )


def _few(seen: Seen) -> Iterator[Finding]:
    if seen.samples < FEW:
        message = f"{seen.samples} calibration samples are few; give {FEW} or more"
        yield Finding("few-samples", "", message, {"samples": seen.samples})


def _unsettled(seen: Seen) -> Iterator[Finding]:
    growing = {
        name: one.reach[-1] / one.reach[-2]
        for name, one in seen.tensors.items()
        if len(one.reach) > 1 and one.reach[-2] > 0 and one.reach[-1] > GROWTH * one.reach[-2]
    }
    if len(growing) > UNSETTLED * len(seen.tensors):
        worst = max(growing, key=lambda name: growing[name])
        doubled = 2 ** (len(seen.tensors[worst].reach) - 1)
        yield Finding(
            "unsettled-ranges",
            worst,
            f"the last doubling of samples, to {doubled}, widened {len(growing)} of "
            f"{len(seen.tensors)} ranges by over {GROWTH - 1:.0%}, that of '{worst}' by "
            f"{growing[worst] - 1:.0%}; give more calibration samples",
            {"growing": len(growing), "tensors": len(seen.tensors), "growth": growing[worst]},
        )


def _saturated(observed: Observations, plan: QuantPlan) -> Iterator[Finding]:
    for entry in plan.tensors:
        group = observed.groups.get(entry.tensor)
        if group is None:
            continue
        share = _clipped(observed.histograms[group], entry)
        if share > CLIPPED:
            yield Finding(
                "saturation",
                entry.tensor,
                f"{share:.2%} of the values of '{entry.tensor}' lie beyond its int8 range; try "
                "another range method, or leave its operator float",
                {"clipped": share},
            )


def _clipped(seen: Histogram, entry: TensorQuantization) -> float:
    low = (LEAST - 0.5 - entry.zero_point) * entry.scale
    high = (GREATEST + 0.5 - entry.zero_point) * entry.scale
    beyond = (seen.centres < low) | (seen.centres > high)
    return float(seen.counts[beyond].sum() / seen.counts.sum())


def _outliers(seen: Seen) -> Iterator[Finding]:
    """Of each sample that reaches far beyond all others, the tensor where it does so most."""
    by_sample: dict[int, tuple[float, str]] = {}
    for name, one in seen.tensors.items():
        ratio = _alone(one)
        if ratio > max(ALONE, by_sample.get(one.sample, (0.0, ""))[0]):
            by_sample[one.sample] = ratio, name
    for sample, (ratio, name) in sorted(by_sample.items()):
        first, second = seen.tensors[name].largest
        yield Finding(
            "outlier",
            name,
            f"calibration sample {sample} alone reaches {first:.3g} in '{name}', {ratio:.1f} times "
            f"what any other does ({second:.3g}); look at it, or leave it out",
            {"sample": sample, "largest": first, "next": second},
        )


def _alone(one: Witness) -> float:
    first, second = one.largest
    return first / second if second > 0 else 0.0


def _mismatch(graph: Graph, batches: Iterable[tuple[Tensor, ...]]) -> Iterator[Finding]:
    match = match_preprocessing(graph, batches)
    if match is None:
        return
    if match.shift > SHIFT or not 1 / SPREAD <= match.spread <= SPREAD:
        yield Finding(
            "preprocessing",
            match.node,
            f"calibration data reach the first batch norm, '{match.node}', {match.shift:.2f} "
            f"deviations off and {match.spread:.2f} times as wide as training data did; is the "
            "preprocessing the same?",
            {"shift": match.shift, "spread": match.spread},
        )


def _dead(seen: Seen) -> Iterator[Finding]:
    dead = {
        name: (int((~one.living).sum()), len(one.living))
        for name, one in seen.tensors.items()
        if one.living is not None and not bool(one.living.all())
    }
    for name, (count, channels) in dead.items():
        yield Finding(
            "dead-channels",
            name,
            f"{count} of {channels} channels of '{name}' are 0 on all {seen.samples} samples: "
            "prune them, or give data that reach them",
            {"dead": count, "channels": channels},
        )
