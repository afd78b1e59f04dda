"""The one description of inputs and outputs: names that every language takes, and what is done."""

from pathlib import Path

import pytest

from pipeline.package.interface import Interface, class_name, described
from pipeline.processing.after import TopK
from pipeline.processing.before import Layout, Resize
from pipeline.processing.declared import Declared, DeclaredInput, DeclaredOutput
from pipeline.processing.sources import Audio, Image, Values
from targets.artifact import Artifact, Quantization, TensorSpec
from targets.errors import ConversionError

PIXELS = TensorSpec("serving_default:0", (1, 3, 4, 4), "int8", Quantization(0.5, 3))
SOUND = TensorSpec("a", (1, 16), "float16")
IDS = TensorSpec("b", (1, 7), "int64")
OUTPUT = TensorSpec("y", (1, 5), "float32")


def artifact(*inputs: TensorSpec) -> Artifact:
    return Artifact(Path("m.tflite"), "tflite", "0" * 64, 1, inputs, (OUTPUT,))


def pixels(name: str = "image") -> DeclaredInput:
    operations = (Resize(height=4, width=4), Layout(to="CHW"))
    return DeclaredInput(name=name, source=Image(color="rgb"), operations=operations)


def sound(name: str = "class") -> DeclaredInput:
    return DeclaredInput(name=name, source=Audio(rate_hz=8000, samples=16))


def test_tensors_are_values_where_nothing_is_declared():
    interface = described("digits", artifact(PIXELS, SOUND, IDS))
    assert [one.field for one in interface.inputs] == ["input0", "input1", "input2"]
    assert [one.source for one in interface.inputs] == [
        Values(shape=(3, 4, 4)),
        Values(shape=(16,)),
        Values(shape=(7,), dtype="int64"),
    ]
    (output,) = interface.outputs
    assert (output.field, output.postprocess) == ("output", ())
    assert [one.spec for one in interface.inputs] == [PIXELS, SOUND, IDS]


def test_what_is_declared_goes_by_the_inputs_names():
    declared = Declared(
        inputs=(pixels("left_image"), sound(), None),
        outputs=(DeclaredOutput(name="kind", operations=(TopK(k=2),)),),
    )
    interface = described("digits", artifact(PIXELS, SOUND, IDS), declared)
    assert [one.field for one in interface.inputs] == ["leftImage", "input1", "input2"]
    assert interface.inputs[0].layout == "NCHW"
    assert interface.inputs[1].layout.unavailable == "the task does not state it"
    assert interface.outputs[0].postprocess == (TopK(k=2),)
    assert Interface.model_validate_json(interface.model_dump_json()) == interface


def test_no_field_comes_twice():
    declared = Declared(inputs=(sound("a-b"), sound("a_b")))
    interface = described("d", artifact(SOUND, SOUND), declared)
    assert [one.field for one in interface.inputs] == ["aB", "input1"]


def test_no_field_has_the_name_of_a_function_or_of_another_field_without_one():
    names = ("audio", "real", "infer", "input3", "class", "np")
    declared = Declared(inputs=tuple(sound(name) for name in names))
    interface = described("d", artifact(*[SOUND] * len(names)), declared)
    fields = [one.field for one in interface.inputs]
    assert fields == ["input0", "input1", "infer", "input3", "input4", "input5"]
    declared = Declared(inputs=(sound("input1"), sound("class")))
    interface = described("d", artifact(SOUND, SOUND), declared)
    assert [one.field for one in interface.inputs] == ["input0", "input1"]


def test_the_only_input_has_the_shortest_name():
    interface = described("d", artifact(PIXELS), Declared(inputs=(pixels(),)))
    assert interface.inputs[0].field == "input"


def test_an_input_that_the_converter_left_out_is_told():
    with pytest.raises(ConversionError, match="has 1 inputs, and the task declares 2"):
        described("d", artifact(PIXELS), Declared(inputs=(pixels(), sound())))


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("digits", "DigitsModel"),
        ("spoken_digits", "SpokenDigitsModel"),
        ("my-model", "MyModel"),
        ("myModel", "MyModel"),
        ("3d net", "DNetModel"),
        ("</x>", "XModel"),
        ("\N{SNOWMAN}", "Model"),
    ],
)
def test_a_class_is_named_after_the_recipe(name: str, expected: str):
    assert class_name(name) == expected
