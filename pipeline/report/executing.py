"""The report's part on how a runtime executes an artifact."""

from pydantic import Field

from pipeline.report.section import Reading, Section


class Leftover(Section):
    """An operator that computes in float: the runtime's name for it, its kind, and why."""

    name: str
    type: str
    dtype: str
    reason: str = ""


class ExecutionFacts(Section):
    """What the executed operators come to.

    Attributes:
        macs: multiply-accumulates of one inference, as executed.
        int8_macs_share: the share of them that multiplies 8-bit data.
        partitions: parts of the graph that a delegate runs, each as one.
        outside: kinds of operators that compute outside every partition.
        conversions: executed operators that only quantize, dequantize or cast.
        transposes: executed operators that only change a layout.
        float_leftovers: operators that compute in float.
    """

    macs: Reading
    int8_macs_share: Reading
    partitions: Reading
    outside: tuple[str, ...] = ()
    conversions: int = Field(ge=0)
    transposes: int = Field(ge=0)
    float_leftovers: tuple[Leftover, ...] = ()
