"""Execution facts with the plan's own reasons: why an operator of an int8 artifact is float."""

import re
from collections.abc import Mapping

from pipeline.quantize.plan import QuantPlan
from pipeline.report.executing import ExecutionFacts, Leftover
from targets.execution import Execution
from targets.measurement import ExecutedOp

WRITTEN_OUT = {
    "scaled_dot_product_attention": ("matmul", "softmax", "bmm", "masked_fill"),
    "layer_norm": ("native_layer_norm", "layer_norm", "rsqrt", "var", "var_mean"),
    "group_norm": ("native_group_norm", "instance_norm", "rsqrt", "var", "var_mean"),
}
"""What exporters and converters make of an operator: an artifact names these."""
KEPT = "kept float by the plan's decision"
NOT_PLANNED = "none of the plan's float operators: this runtime computes it in float"

_NUMBER = re.compile(r"_\d+$")
_PREFIX = re.compile(r"^(node_)+")


def facts(execution: Execution, plan: QuantPlan | None) -> ExecutionFacts:
    """The facts as the report has them.

    Args:
        execution: of an artifact.
        plan: what it was quantized by; None for a float artifact or one of unknown origin, whose
            float operators have no reason.
    """
    reasons = _reasons(plan) if plan else {}
    why = execution.unavailable
    return ExecutionFacts.model_validate(
        {
            "macs": _reading(execution.macs, why.get("macs")),
            "int8_macs_share": _reading(execution.int8_macs_share, why.get("int8_macs_share")),
            "partitions": _reading(execution.partitions, why.get("partitions")),
            "outside": sorted({one.type for one in execution.outside}),
            "conversions": execution.conversions,
            "transposes": execution.transposes,
            "float_leftovers": [
                _leftover(one, reasons, planned=plan is not None)
                for one in execution.float_leftovers
            ],
        }
    )


def _reading(value: float | None, reason: str | None) -> float | str:
    return value if value is not None else f"unavailable: {reason}"


def _leftover(op: ExecutedOp, reasons: Mapping[str, str], *, planned: bool) -> Leftover:
    kinds = [_kind(part) for part in re.split(r"[/;]", op.name)]
    known = next((reasons[kind] for kind in kinds if kind in reasons), None)
    reason = known or (NOT_PLANNED if planned else "")
    return Leftover(name=op.name, type=op.type, dtype=op.dtype, reason=reason)


def _reasons(plan: QuantPlan) -> dict[str, str]:
    """Reasons by the kind of operator: converters keep kinds in names, but count them anew."""
    found: dict[str, str] = {}
    for one in plan.floats:
        kind = one.operator.split(".")[1] if "." in one.operator else one.operator
        for made in (kind, _kind(one.node), *WRITTEN_OUT.get(kind, ())):
            found.setdefault(made.rstrip("_"), one.reason)
    for name in plan.keeps:
        found.setdefault(_kind(name), KEPT)
    return found


def _kind(name: str) -> str:
    """The kind of operator in a name such as `node_gelu_12`."""
    return _NUMBER.sub("", _PREFIX.sub("", name)).rstrip("_")
