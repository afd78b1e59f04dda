"""What an artifact's execution comes to: how much of it is integer, and what stands in the way."""

from collections.abc import Sequence
from dataclasses import dataclass, field

from targets.measurement import ExecutedOp

EIGHT_BIT = ("int8", "uint8")
FLOATING = ("float32", "float16", "bfloat16", "float64")
UNPARTITIONED = {
    "onnxruntime": "one provider runs the whole graph",
    "openvino": "one plugin compiles the whole graph",
}
"""Runtimes without partitions, and why."""


@dataclass(frozen=True)
class Execution:
    """The facts of one artifact in one runtime. What is None has its reason in `unavailable`.

    Attributes:
        macs: multiply-accumulates of one inference, as executed.
        int8_macs_share: the share of them that multiplies 8-bit data.
        float_leftovers: operators that compute on floating-point data.
        partitions: how many parts of the graph a delegate runs, each as one.
        outside: operators that compute outside every partition; none where there are none.
        conversions: operators that only change a type, and are executed: to quantize and back.
        transposes: operators that only change a layout, and are executed.
        unavailable: reasons by the names of the facts that can't be told.
    """

    macs: int | None
    int8_macs_share: float | None
    float_leftovers: tuple[ExecutedOp, ...]
    partitions: int | None
    outside: tuple[ExecutedOp, ...]
    conversions: int
    transposes: int
    unavailable: dict[str, str] = field(default_factory=dict)


def execution(executed: Sequence[ExecutedOp], runtime: str) -> Execution:
    """The facts that follow from the operators that a runtime executes."""
    computing = [one for one in executed if one.role == "computes"]
    partitions = sum(one.role == "partition" for one in executed)
    outside = [one for one in computing if one.partition is None]
    total, share, unavailable = _macs(computing)
    if runtime in UNPARTITIONED:
        unavailable["partitions"] = UNPARTITIONED[runtime]
    return Execution(
        macs=total,
        int8_macs_share=share,
        float_leftovers=tuple(one for one in computing if one.dtype in FLOATING),
        partitions=None if runtime in UNPARTITIONED else partitions,
        outside=() if runtime in UNPARTITIONED else tuple(outside),
        conversions=sum(one.role == "converts" for one in executed),
        transposes=sum(one.role == "transposes" for one in executed),
        unavailable=unavailable,
    )


def _macs(
    computing: Sequence[ExecutedOp],
) -> tuple[int | None, float | None, dict[str, str]]:
    """Their sum and the 8-bit share of it, or why there is none."""
    if uncounted := sorted({one.type for one in computing if one.macs is None}):
        reason = f"nobody can tell the multiply-accumulates of {', '.join(uncounted)}"
        return None, None, {"macs": reason, "int8_macs_share": reason}
    counted = [(one.macs or 0, one.dtype in EIGHT_BIT) for one in computing]
    total = sum(macs for macs, _ in counted)
    if not total:
        return 0, None, {"int8_macs_share": "the model multiplies nothing"}
    return total, sum(macs for macs, integer in counted if integer) / total, {}
