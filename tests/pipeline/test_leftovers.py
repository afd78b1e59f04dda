"""Why an operator of an artifact is float, in the plan's words where it has any."""

import pytest

from pipeline.leftovers import KEPT, NOT_PLANNED, facts
from pipeline.quantize.plan import FloatOperator, QuantPlan, Settings
from pipeline.report.section import Unavailable
from targets.execution import execution
from targets.measurement import ExecutedOp

PLAN = QuantPlan(
    settings=Settings(scheme="int8", mode="ptq"),
    samples=1,
    tensors=(),
    weights=(),
    keeps=("hardswish_4",),
    floats=(
        FloatOperator(node="gelu_3", operator="aten.gelu.default", reason="costs more"),
        FloatOperator(
            node="attend",
            operator="aten.scaled_dot_product_attention.default",
            reason="has no kernel",
        ),
    ),
)


@pytest.mark.parametrize(
    ("name", "reason"),
    [
        ("node_gelu", "costs more"),
        ("gelu_1", "costs more"),
        ("gelu/aten.gelu.default/Gelu", "costs more"),
        ("softmax_2", "has no kernel"),
        ("hardswish", KEPT),
        ("relu", NOT_PLANNED),
    ],
)
def test_a_reason_is_found_by_the_kind_of_operator(name: str, reason: str) -> None:
    executed = [ExecutedOp(name, "Any", "float32", macs=3)]
    (found,) = facts(execution(executed, "openvino"), PLAN).float_leftovers
    assert (found.name, found.reason) == (name, reason)


def test_without_a_plan_there_is_no_reason_and_no_zero() -> None:
    found = facts(execution([ExecutedOp("gelu", "Gelu", "float32")], "onnxruntime"), None)
    assert found.float_leftovers[0].reason == ""
    assert isinstance(found.partitions, Unavailable)
    assert isinstance(found.int8_macs_share, Unavailable)
    assert "multiplies nothing" in found.int8_macs_share.unavailable
