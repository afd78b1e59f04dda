"""The report's part on how a model was quantized: rungs that were tried, doubts about the data."""

from pydantic import Field

from pipeline.ladder import Outcome
from pipeline.report.section import Reading, Section, Status, Unavailable


class Finding(Section):
    """A warning about calibration data.

    Attributes:
        kind: what sort of.
        tensor: of which tensor; "" for all.
        message: what was found, and what to do.
        evidence: the numbers that it rests on.
    """

    kind: str
    tensor: str = ""
    message: str
    evidence: dict[str, Reading] = Field(default_factory=dict)


class RungRow(Section):
    """One rung on one runtime.

    Attributes:
        name: the rung.
        told: what was done, in words.
        metric: of the artifact on the validation split.
        drop: against dense; above 0 is worse.
        class_drop: of the class that lost most.
        latency_ms: the median over processes of p50, in a short sitting beside dense; of the chosen
            rung in its full one.
        holds: whether the limits on the metric held, and those on cost in that sitting.
        status: the verdict's, of the rung that was measured in full.
        chosen: whether the candidate is this rung's.
        reason: why it led to no artifact.
        missed: the limits on cost that it was beyond in that sitting.
    """

    name: str
    told: str
    metric: Reading
    drop: Reading
    class_drop: Reading
    latency_ms: Reading = Field(default=Unavailable(unavailable="not measured"))
    holds: bool
    status: Status | None = None
    chosen: bool = False
    reason: str = ""
    missed: tuple[str, ...] = ()


def rung_row(outcome: Outcome) -> RungRow:
    """A rung's outcome as the document has it."""
    why = Unavailable(unavailable="no artifact" if outcome.reason else "not limited")
    return RungRow.model_validate(
        {
            "name": outcome.rung.name,
            "told": outcome.rung.told,
            "metric": why if outcome.metric is None else outcome.metric,
            "drop": why if outcome.drop is None else outcome.drop,
            "class_drop": why if outcome.class_drop is None else outcome.class_drop,
            "latency_ms": outcome.latency_ms,
            "holds": outcome.holds,
            "status": outcome.status or None,
            "chosen": bool(outcome.status),
            "reason": outcome.reason,
            "missed": tuple(one.limit for one in outcome.missed),
        }
    )
