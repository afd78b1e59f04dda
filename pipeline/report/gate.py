"""The gate's part of report.json, and a comparison as every JSON document has it."""

from typing import Literal, get_args

from pydantic import Field

from pipeline.gated import Gated
from pipeline.report.section import Section
from targets.comparison import Comparison, Told
from targets.ratios import CONFIDENCE

Verdict = Literal["faster", "slower", "not told apart", "invalid"]


class RatioRow(Section):
    """How many times the parent's time: below 1 is faster. Holds the true ratio at 95 %."""

    estimate: float = Field(gt=0)
    low: float = Field(gt=0)
    high: float = Field(gt=0)


class ComparisonRow(Section):
    """An artifact against another that was measured in turns with it.

    Attributes:
        against: what it was compared with.
        ratio: by quantile, its latency / the other's.
        confidence: of each interval.
        verdict: what that tells of the artifact.
        reason: why it is invalid.
    """

    against: str
    ratio: dict[str, RatioRow]
    confidence: float = CONFIDENCE
    verdict: Verdict
    reason: str = ""


class GateRow(Section):
    """A runtime's final artifact at the gate.

    Attributes:
        candidate: the final artifact's candidate.
        delivered: the candidate that left instead, or the same.
        improves: whether the final artifact is faster than everything that it came from.
        told: the outcome in a line.
        comparisons: with the dense model, and with its own float32 version where it is quantized.
    """

    runtime: str
    candidate: str
    delivered: str
    improves: bool
    told: str
    comparisons: tuple[ComparisonRow, ...] = ()


def comparison_row(against: str, found: Comparison) -> ComparisonRow:
    """A comparison as the document has it."""
    ratio = {name: RatioRow.model_validate(one) for name, one in found.latency.items()}
    reason = found.invalid_reason or ""
    return ComparisonRow(against=against, ratio=ratio, verdict=found.verdict, reason=reason)


def gate_row(runtime: str, gated: Gated) -> GateRow:
    """The gate's outcome for a runtime as the document has it."""
    return GateRow(
        runtime=runtime,
        candidate=gated.final,
        delivered=gated.delivered,
        improves=gated.improves,
        told=gated.told,
        comparisons=tuple(comparison_row(name, one) for name, one in gated.against.items()),
    )


assert set(get_args(Verdict)) == set(get_args(Told))
