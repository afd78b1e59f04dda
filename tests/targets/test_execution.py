"""What executed operators come to."""

from targets.execution import execution
from targets.measurement import ExecutedOp


def op(type_: str, dtype: str = "int8", **facts) -> ExecutedOp:
    return ExecutedOp(type_.lower(), type_, dtype, **facts)


def test_the_share_is_of_multiply_accumulates() -> None:
    found = execution([op("CONV", macs=300), op("FC", "float32", macs=100), op("ADD")], "tflite")
    assert (found.macs, found.int8_macs_share) == (400, 0.75)
    assert [one.type for one in found.float_leftovers] == ["FC"]
    assert found.unavailable == {}


def test_what_only_converts_or_moves_is_no_leftover() -> None:
    found = execution(
        [
            op("QUANTIZE", "float32", role="converts"),
            op("TRANSPOSE", "float32", role="transposes"),
            op("RESHAPE", "float32", role="moves"),
            op("CONV", macs=1, partition=0),
            op("DELEGATE", role="partition"),
        ],
        "tflite",
    )
    assert (found.conversions, found.transposes, found.partitions) == (1, 1, 1)
    assert found.float_leftovers == found.outside == ()


def test_what_computes_outside_every_partition_is_named() -> None:
    found = execution([op("GELU"), op("CONV", macs=1, partition=0)], "tflite")
    assert [one.type for one in found.outside] == ["GELU"]


def test_a_runtime_without_partitions_says_so() -> None:
    found = execution([op("Conv", "uint8", macs=1)], "onnxruntime")
    assert found.partitions is None
    assert "provider" in found.unavailable["partitions"]
    assert found.outside == ()


def test_an_operator_that_nobody_counts_makes_no_zero() -> None:
    found = execution([op("CONV", macs=1), op("Loop", macs=None)], "onnxruntime")
    assert found.macs is found.int8_macs_share is None
    assert "Loop" in found.unavailable["int8_macs_share"]


def test_a_model_that_multiplies_nothing_has_no_share() -> None:
    found = execution([op("ADD")], "tflite")
    assert (found.macs, found.int8_macs_share) == (0, None)
    assert found.unavailable == {"int8_macs_share": "the model multiplies nothing"}
