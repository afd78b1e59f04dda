"""The Gradle module: the model, its Kotlin API in source, and the golden instrumentation test."""

from collections.abc import Mapping

from pipeline.package.android.kotlin import ARRAYS, Kotlin
from pipeline.package.api.described import described
from pipeline.package.api.needs import needs
from pipeline.package.api.ports import Input, Output
from pipeline.package.api.sourced import ROUNDING, sourced
from pipeline.package.api.templates import environment
from pipeline.package.contents import Delivery
from pipeline.package.mobile import NAMES, Mobile, threads

MIN_SDK, COMPILE_SDK = 26, 36
BUFFERS = {"float32": "Float", "int8": "Int8", "int32": "Int", "int64": "Long", "bool": "Boolean"}
"""What LiteRT's Kotlin API calls the tensors that it can carry (TensorBuffer.kt, 2.3.0)."""
KEPT = {"tflite": "com.google.ai.edge.litert", "onnxruntime": "ai.onnxruntime"}
READS = {
    "FloatArray": "floats",
    "IntArray": "ints",
    "LongArray": "longs",
    "BooleanArray": "booleans",
    "ByteArray": "bytes",
    "ShortArray": "shorts",
}
PIXELS = "{kind}({file}.size(2), {file}.size(1), {file}.{method}(sample))"


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
    dtypes = frozenset(BUFFERS if mobile.name == "tflite" else ARRAYS) - {"int16"}
    api = f"{NAMES[mobile.name]}'s Kotlin API"
    inputs, outputs = described(delivery, Kotlin(), dtypes, api)
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
        "runtime": NAMES[mobile.name],
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
        "sourced": sourced(delivery, inputs, READS, PIXELS),
        "rounding": ROUNDING,
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
