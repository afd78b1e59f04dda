"""The Gradle module: the model, its Kotlin API in source, and the golden instrumentation test."""

from collections.abc import Mapping

from pipeline.package.android.kotlin import ARRAYS, Kotlin
from pipeline.package.api.entering import entering
from pipeline.package.api.leaving import leaving
from pipeline.package.api.needs import needs
from pipeline.package.api.order import positions
from pipeline.package.api.ports import Input, Output
from pipeline.package.api.templates import environment
from pipeline.package.contents import Delivery
from pipeline.package.mobile import Mobile, threads
from targets.errors import ConversionError

MIN_SDK, COMPILE_SDK = 26, 36
BUFFERS = {"float32": "Float", "int8": "Int8", "int32": "Int", "int64": "Long", "bool": "Boolean"}
"""What LiteRT's Kotlin API calls the tensors that it can carry (TensorBuffer.kt, 2.3.0)."""
KEPT = {"tflite": "com.google.ai.edge.litert", "onnxruntime": "ai.onnxruntime"}
READS = {
    "FloatArray": "floats",
    "IntArray": "ints",
    "LongArray": "longs",
    "BooleanArray": "booleans",
}
RUNTIMES = {"tflite": "LiteRT", "onnxruntime": "ONNX Runtime"}


def namespace(class_name: str) -> str:
    """The Kotlin package, and the Android namespace: edgesmith.digitsmodel for DigitsModel."""
    return f"edgesmith.{class_name.lower()}"


def library(delivery: Delivery, mobile: Mobile, asset: str) -> dict[str, bytes]:
    """The module's files by path, but for the model.

    Args:
        delivery: what is packaged.
        mobile: what runs it.
        asset: the model's path among the assets.

    Raises:
        ConversionError: an input or output can't be carried by the runtime's Kotlin API.
    """
    inputs, outputs = ports(delivery)
    for port in inputs:
        _carried(port, mobile.name)
    for made in outputs:
        _carried(made, mobile.name)
    facts = _facts(delivery, mobile, asset, inputs, outputs)
    space = str(facts["namespace"]).replace(".", "/")
    templates = environment("pipeline.package.android", Kotlin())
    return {
        path: templates.get_template(f"{name}.j2").render(**facts).encode()
        for path, name in {
            "build.gradle.kts": "build.gradle.kts",
            "consumer-rules.pro": "consumer-rules.pro",
            "src/main/AndroidManifest.xml": "AndroidManifest.xml",
            **_sources(delivery, mobile, f"src/main/kotlin/{space}"),
            **_tests(delivery, f"src/androidTest/kotlin/{space}"),
        }.items()
    }


def ports(delivery: Delivery) -> tuple[tuple[Input, ...], tuple[Output, ...]]:
    """The inputs and outputs as the templates write them."""
    entered, left = positions(delivery.artifact)
    interface = delivery.interface
    pairs = zip(interface.inputs, entered, strict=True)
    return (
        tuple(entering(port, place, Kotlin()) for port, place in pairs),
        tuple(leaving(interface, index, place, Kotlin()) for index, place in enumerate(left)),
    )


def _carried(port: Input | Output, runtime: str) -> None:
    if runtime == "tflite" and port.dtype not in BUFFERS:
        raise ConversionError(
            f"'{port.name}' is {port.dtype}, which LiteRT's Kotlin API has no buffers for; "
            f"it has: {', '.join(BUFFERS)}: export with io: float32, or package onnxruntime"
        )


def _facts(
    delivery: Delivery,
    mobile: Mobile,
    asset: str,
    inputs: tuple[Input, ...],
    outputs: tuple[Output, ...],
) -> Mapping[str, object]:
    return {
        "namespace": namespace(delivery.interface.class_name),
        "package": None,
        "class_name": delivery.interface.class_name,
        "name": delivery.name,
        "runtime": RUNTIMES[mobile.name],
        "dependency": f"{mobile.library.name.replace('/', ':')}:{mobile.library.version}",
        "kept": KEPT[mobile.name],
        "compile_sdk": COMPILE_SDK,
        "min_sdk": MIN_SDK,
        "asset": asset,
        "sha256": delivery.artifact.sha256,
        "threads": threads(delivery),
        "inputs": inputs,
        "outputs": outputs,
        "buffers": BUFFERS,
        "arrays": ARRAYS,
        "reads": READS,
        "samples": len(delivery.golden.inputs[0]),
        "tolerances": delivery.golden.tolerances(delivery.artifact),
        "shape": Kotlin().sizes,
    }


def _sources(delivery: Delivery, mobile: Mobile, folder: str) -> dict[str, str]:
    """Templates by the paths of what they make."""
    names = needs(delivery.interface)
    return {
        f"{folder}/{delivery.interface.class_name}.kt": "Model.kt",
        f"{folder}/Session.kt": f"{mobile.name}.kt",
        **{f"{folder}/{name}.kt": f"{name}.kt" for name in names},
    }


def _tests(delivery: Delivery, folder: str) -> dict[str, str]:
    return {
        f"{folder}/{delivery.interface.class_name}GoldenTest.kt": "GoldenTest.kt",
        f"{folder}/Npy.kt": "Npy.kt",
    }
