"""Each rule, on cases made by hand: what it finds, what it leaves alone, and what it says."""

from collections.abc import Callable

import pytest

from pipeline.diagnose import boundaries, operators, precision, sizes, transposes, versions
from pipeline.diagnose.case import Case
from pipeline.diagnose.cures import GENERAL, cure
from pipeline.diagnose.finding import RULES
from pipeline.package.mobile import PINNED
from targets.device import DeviceProfile
from targets.measurement import ExecutedOp
from targets.onnxruntime.releases import MOBILE_OPSET, MOBILE_RELEASE
from targets.workload import Operator

Make = Callable[..., Case]
CONV = ExecutedOp("conv", "CONV_2D", "int8", macs=900, partition=0)


def told(module: object, case: Case) -> list[tuple[str, str]]:
    found = list(module.find(case))
    assert {one.rule for one in found} <= set(RULES)
    assert all(one.found and one.cure for one in found)
    return [(one.rule, one.severity) for one in found]


def transpose(name: str, entered: str, left: str, *order: int) -> Operator:
    return Operator("Transpose", (entered,), (left,), name=name, permutation=order)


def places(case: Case) -> dict[str, tuple[str, ...]]:
    found = [one for one in transposes.find(case) if one.rule == "transposes"]
    return {one.found.partition(":")[0].removeprefix("transposes that "): one.names
            for one in found}  # fmt: skip


def test_transposes_that_cancel_through_what_minds_no_order(case: Make) -> None:
    graph = [
        Operator("Conv", ("x", "w"), ("a",)),
        transpose("to", "a", "b", 0, 2, 3, 1),
        Operator("Relu", ("b",), ("c",)),
        Operator("Clip", ("c", "low"), ("d",)),
        transpose("back", "d", "e", 0, 3, 1, 2),
        Operator("Conv", ("e", "w"), ("y",)),
    ]
    found = places(case("m.onnx", graph, constants=("w", "low")))
    assert found["undo an earlier one, with nothing between that minds the order of axes"] == (
        "back",
    )
    assert found["turn a tensor inside the model"] == ("to",)


def test_transposes_that_cancel_nothing(case: Make) -> None:
    graph = [
        transpose("first", "a", "b", 0, 2, 3, 1),
        Operator("Softmax", ("b",), ("c",)),
        transpose("second", "c", "d", 0, 3, 1, 2),
        Operator("Add", ("d", "a"), ("e",)),
        transpose("again", "e", "f", 0, 2, 3, 1),
        transpose("other", "f", "g", 0, 2, 3, 1),
    ]
    assert places(case("m.onnx", graph)) == {
        "turn a tensor inside the model": ("first", "second", "again", "other")
    }


def test_transposes_at_the_ends_and_of_axes_of_size_1(case: Make) -> None:
    graph = [
        transpose("in", "x", "a", 0, 2, 3, 1),
        transpose("still", "b", "c", 0, 2, 3, 1),
        transpose("out", "d", "y", 0, 3, 1, 2),
    ]
    shapes = {"x": (1, 3, 8, 8), "b": (1, 1, 4, 5), "d": (1, 8, 8, 3)}
    assert places(case("m.onnx", graph, shapes)) == {
        "only move axes of size 1, which copies the tensor as it is": ("still",),
        "turn the model's own input": ("in",),
        "turn the model's own output": ("out",),
    }


def test_transposes_of_images_that_are_flattened_and_of_heads(case: Make) -> None:
    graph = [
        transpose("image", "a", "b", 0, 3, 1, 2),
        Operator("Reshape", ("b", "shape"), ("c",)),
        transpose("heads", "d", "e", 0, 2, 1, 3),
        Operator("Reshape", ("e", "shape"), ("f",)),
    ]
    found = list(transposes.find(case("m.onnx", graph)))
    assert [(one.names, one.severity) for one in found] == [
        (("image",), "warning"),
        (("heads",), "note"),
    ]
    assert "linear layer" in found[0].cure
    assert "attention" in found[1].cure


def test_a_transpose_that_the_runtime_removed_is_no_finding(case: Make) -> None:
    graph = [transpose("in", "x", "a", 0, 2, 3, 1), transpose("kept", "b", "c", 0, 2, 3, 1)]
    executed = [ExecutedOp("kept", "Transpose", "float32", "transposes")]
    assert places(case("m.onnx", graph, executed=executed)) == {
        "turn a tensor inside the model": ("kept",)
    }
    assert not list(transposes.find(case("m.onnx", graph, executed=[])))


def test_layouts_that_the_runtime_changes_itself(case: Make) -> None:
    reorder = ExecutedOp("r", "ReorderOutput", "float32", "transposes")
    assert told(transposes, case("m.onnx", executed=[reorder] * 2)) == []
    assert told(transposes, case("m.onnx", executed=[reorder] * 3)) == [
        ("inserted-layouts", "note")
    ]


def test_operators_outside_the_delegate(case: Make) -> None:
    outside = [ExecutedOp(name, "HARD_SWISH", "int8") for name in "ab"]
    delegates = [ExecutedOp(str(n), "DELEGATE", "int8", "partition") for n in range(3)]
    (found,) = boundaries.find(case("m.tflite", executed=[CONV, *outside, *delegates]))
    assert (found.rule, found.names) == ("outside-partition", ("a", "b"))
    assert (
        found.found
        == "HARD_SWISH (2) in int8 outside the delegate; the delegate runs the rest in 3 parts"
    )
    assert "SiLU" in found.cure
    assert told(boundaries, case("m.tflite", executed=[CONV, delegates[0]])) == []


@pytest.mark.parametrize(
    ("count", "io", "findings"), [(2, "float32", 0), (3, "float32", 1), (1, "int8", 1)]
)
def test_changes_of_type_beyond_the_models_own(
    case: Make, count: int, io: str, findings: int
) -> None:
    changing = [ExecutedOp(f"q{n}", "QUANTIZE", "float32", "converts") for n in range(count)]
    delegate = ExecutedOp("d", "DELEGATE", "int8", "partition")
    found = list(boundaries.find(case("m.tflite", executed=[CONV, delegate, *changing], io=io)))
    assert [one.rule for one in found] == ["conversions"] * findings


def test_half_precision_that_is_computed_in_float32(case: Make) -> None:
    casts = [ExecutedOp("c", "Cast", "float16", "converts")]
    (found,) = boundaries.find(case("m.onnx", executed=casts))
    assert "float32" in found.cure


def test_float_operators_of_a_quantized_model(case: Make) -> None:
    executed = [
        ExecutedOp("conv", "QLinearConv", "uint8", macs=900),
        ExecutedOp("norm", "LayerNormalization", "float32"),
        ExecutedOp("product", "MatMul", "float32", macs=100),
    ]
    found = list(precision.find(case("m.onnx", executed=executed)))
    assert [one.names for one in found] == [("product",), ("norm",)]
    assert "10% of all multiplications" in found[0].found
    assert "attention block" in found[0].cure
    assert "batch norm" in found[1].cure


def test_signed_activations_on_x86(case: Make) -> None:
    executed = [ExecutedOp("conv", "QLinearConv", "int8", macs=900)]
    assert told(precision, case("m.onnx", executed=executed)) == [("signed-activations", "warning")]
    arm = DeviceProfile(name="arm", arch="aarch64", runtimes=("onnxruntime",))
    assert told(precision, case("m.onnx", executed=executed, profile=arm)) == []


def test_ranges_found_at_every_inference(case: Make) -> None:
    executed = [ExecutedOp("d", "DynamicQuantizeLinear", "float32", "converts")]
    assert told(precision, case("m.onnx", executed=executed)) == [
        ("dynamic-quantization", "warning")
    ]
    hybrid = Operator("CONV_2D", ("x", "w"), ("y",), name="conv")
    found = case("m.tflite", [hybrid], constants=("w",), dtypes={"w": "int8"})
    assert told(precision, found) == [("dynamic-quantization", "warning")]


BOARD = {"name": "pi", "arch": "aarch64", "runtimes": ("tflite", "openvino")}


@pytest.mark.parametrize(
    ("model", "fast", "rules", "word"),
    [
        ("m.tflite", {"tflite": ("fp32",)}, ["slow-int8"], "compare with the float model"),
        ("m.tflite", {"tflite": ("fp32", "int8")}, [], ""),
        ("m.tflite", {}, [], ""),
        ("m.xml", {}, ["slow-int8"], "float16"),
        ("m.xml", {"tflite": ("int8",)}, ["slow-int8"], "convert it for tflite"),
    ],
)
def test_8_bits_that_a_device_has_no_instructions_for(
    case: Make, model: str, fast: dict[str, object], rules: list[str], word: str
) -> None:
    profile = DeviceProfile.model_validate({**BOARD, "accelerates": fast})
    conv = ExecutedOp("conv", "Convolution", "int8", macs=9)
    delegate = ExecutedOp("d", "DELEGATE", "int8", "partition")
    found = list(precision.find(case(model, executed=[conv, delegate], profile=profile)))
    assert [one.rule for one in found] == rules
    assert all(word in f"{one.found} {one.cure}" for one in found)


def test_a_float_model_where_8_bits_are_fast(case: Make) -> None:
    profile = DeviceProfile.model_validate({**BOARD, "accelerates": {"tflite": ("int8",)}})
    conv = Operator("CONV_2D", ("x", "w"), ("y",), macs=2_000_000)
    executed = [ExecutedOp("conv", "CONV_2D", "float32", macs=2_000_000)]
    (found,) = precision.find(case("m.tflite", [conv], executed=executed, profile=profile))
    assert (found.rule, found.severity) == ("float-model", "note")
    assert "2 million multiplications" in found.found


@pytest.mark.parametrize(
    ("shape", "asked", "expected"),
    [
        ((-1, 3, 8, 8), {}, [("dynamic-batch", "note")]),
        ((-1, 3, -1, -1), {}, [("dynamic-sizes", "error")]),
        ((1, 3, -1, 8), {"x": (1, 3, 8, 8)}, [("dynamic-sizes", "note")]),
        ((1, 3, 8, 8), {}, []),
    ],
)
@pytest.mark.parametrize("model", ["m.tflite", "m.onnx", "m.xml"])
def test_open_sizes(
    case: Make,
    model: str,
    shape: tuple[int, ...],
    asked: dict[str, tuple[int, ...]],
    expected: list[tuple[str, str]],
) -> None:
    found = case(model, shapes={"x": shape}, sizes=asked)
    assert told(sizes, found) == expected
    assert bool(sizes.undecided(found)) == (expected == [("dynamic-sizes", "error")])
    assert all("1,3," in one.cure for one in sizes.find(found))


def test_sizes_that_depend_on_data(case: Make) -> None:
    graph = [
        Operator("NonZero", ("x",), ("a",), name="found"),
        Operator("Relu", ("a",), ("y",), name="after"),
    ]
    shapes = {"x": (1, 8), "a": (2, -1), "y": (2, -1)}
    (found,) = sizes.find(case("m.onnx", graph, shapes))
    assert (found.rule, found.names) == ("dynamic-inside", ("found",))


def test_operators_that_nobody_has(case: Make) -> None:
    graph = [
        Operator("Swirl", ("x",), ("a",), domain="CUSTOM"),
        Operator("CONV_2D", ("a", "w"), ("y",)),
    ]
    assert told(operators, case("m.tflite", graph)) == []  # it was not refused
    (found,) = operators.find(case("m.tflite", graph, refused="unresolved custom op: Swirl"))
    assert found.names == ("Swirl",)
    refused = "Opset opset1 doesn't contain the operation with type: Twirl"
    (found,) = operators.find(case("m.xml", refused=refused))
    assert found.names == ("Twirl",)


def test_a_microcontroller_has_a_list(case: Make) -> None:
    profile = DeviceProfile(name="tiny", link="none", arch="armv7e-m", runtimes=("tflite",))
    graph = [Operator("CONV_2D", ("x", "w"), ("a",)), Operator("GELU", ("a",), ("y",))]
    (found,) = operators.find(case("m.tflite", graph, profile=profile))
    assert found.found == "tflite-micro lacks GELU"


@pytest.mark.parametrize(
    ("opset", "version", "expected"),
    [
        (18, "onnxruntime 1.24.0", []),
        (MOBILE_OPSET, "onnxruntime 1.31.0", []),
        (MOBILE_OPSET + 1, "onnxruntime 1.31.0", ["newer-than-mobile"]),
        (20, "onnxruntime_perf_test 1.16.3", ["newer-than-runtime"]),
        (11, "onnxruntime 1.5.0", ["newer-than-runtime"]),
        (20, "ai-edge-litert 2.3", []),
    ],
)
def test_runtimes_that_are_older_than_the_file(
    case: Make, opset: int, version: str, expected: list[str]
) -> None:
    found = case("m.onnx", executed=[], version=version, opsets={"": opset})
    assert [rule for rule, _ in told(versions, found)] == expected


def test_the_mobile_release_is_the_oldest_that_packages_pin() -> None:
    pinned = [libraries["onnxruntime"].version.split(".") for libraries in PINNED.values()]
    assert min([int(part) for part in one[:2]] for one in pinned) == [
        int(part) for part in MOBILE_RELEASE.split(".")
    ]


@pytest.mark.parametrize(
    ("kind", "word"),
    [
        ("AVERAGE_POOL_2D", "mean"), ("QLinearGlobalAveragePool", "mean"), ("Erf", "GELU"),
        ("FusedMatMul", "attention"), ("BATCH_MATMUL", "attention"), ("PRELU", "leaky"),
        ("MVN", "batch norm"), ("SOFTMAX", "logits"), ("HardSigmoid", "SiLU"),
    ],
)  # fmt: skip
def test_cures_know_the_words_of_three_runtimes(kind: str, word: str) -> None:
    assert word in cure([kind])


def test_an_operator_without_a_cure_of_its_own() -> None:
    assert cure(["Swirl", "Twirl"]) == GENERAL
