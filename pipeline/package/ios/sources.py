"""The Swift package's files: its manifest, the Swift API, and the XCTest over golden vectors."""

from collections.abc import Mapping
from dataclasses import dataclass

from pipeline.package.api.described import described
from pipeline.package.api.needs import needs
from pipeline.package.api.ports import Input, Output
from pipeline.package.api.sourced import ROUNDING, sourced
from pipeline.package.api.templates import environment
from pipeline.package.contents import Delivery
from pipeline.package.ios.swift import Swift
from pipeline.package.mobile import NAMES, Mobile, threads


@dataclass(frozen=True)
class Dependency:
    """How Package.swift names a runtime.

    Attributes:
        product: of the runtime's package.
        platforms: the least ones that it has.
        requirement: which of its versions.
        elements: what its API calls the tensors that it can carry.
    """

    product: str
    platforms: str
    requirement: str
    elements: Mapping[str, str]


DEPENDENCIES = {
    "tflite": Dependency(
        "LiteRT",
        ".iOS(.v15), .macOS(.v12)",
        # A release is a branch: SwiftPM takes its unsafe linker flags from no version.
        'branch: "release/{version}"',
        dict.fromkeys(("float32", "int8", "uint8", "int32", "int64", "bool"), ""),
    ),
    "onnxruntime": Dependency(
        "onnxruntime",
        ".iOS(.v16), .macOS(.v14)",
        'exact: "{version}"',
        {
            "float32": "float",
            "int8": "int8",
            "uint8": "uInt8",
            "int32": "int32",
            "int64": "int64",
        },
    ),
}
READS = {
    "[Float]": "floats",
    "[Int32]": "ints",
    "[Int64]": "longs",
    "[Bool]": "booleans",
    "[UInt8]": "bytes",
    "[Int8]": "signedBytes",
    "[Int16]": "shorts",
}
PIXELS = "{kind}(width: {file}.size(2), height: {file}.size(1), values: {file}.{method}(sample))"


def module(class_name: str) -> str:
    """The Swift module: not the class's own name, which would hide it."""
    return f"{class_name}Kit"


def sources(delivery: Delivery, mobile: Mobile) -> dict[str, bytes]:
    """The package's files by path, but for model and golden vectors.

    Raises ConversionError where the runtime's Swift API can't carry an input or output.
    """
    dependency = DEPENDENCIES[mobile.name]
    api = f"{NAMES[mobile.name]}'s Swift API"
    inputs, outputs = described(delivery, Swift(), frozenset(dependency.elements), api)
    facts = _facts(delivery, mobile, inputs, outputs)
    templates = environment("pipeline.package.ios", Swift())
    return {
        path: templates.get_template(f"{name}.j2").render(**facts).encode()
        for path, name in _paths(delivery, mobile).items()
    }


def _paths(delivery: Delivery, mobile: Mobile) -> dict[str, str]:
    """Templates by the paths of what they make."""
    class_name = delivery.interface.class_name
    source, tests = f"Sources/{module(class_name)}", f"Tests/{module(class_name)}Tests"
    return {
        "Package.swift": "Package.swift",
        f"{source}/{class_name}.swift": "Model.swift",
        f"{source}/Session.swift": f"{mobile.name}.swift",
        **{f"{source}/{name}.swift": f"{name}.swift" for name in needs(delivery.interface)},
        f"{tests}/GoldenTests.swift": "GoldenTests.swift",
        f"{tests}/Npy.swift": "Npy.swift",
    }


def _facts(
    delivery: Delivery,
    mobile: Mobile,
    inputs: tuple[Input, ...],
    outputs: tuple[Output, ...],
) -> Mapping[str, object]:
    dependency, library = DEPENDENCIES[mobile.name], mobile.library
    return {
        "module": module(delivery.interface.class_name),
        "class_name": delivery.interface.class_name,
        "name": delivery.name,
        "runtime": NAMES[mobile.name],
        "url": f"https://{library.name}",
        "dependency": library.name.rpartition("/")[2],
        "product": dependency.product,
        "platforms": dependency.platforms,
        "requirement": dependency.requirement.format(version=library.version),
        "elements": dependency.elements,
        "resource": delivery.title,
        "suffix": delivery.artifact.path.suffix[1:],
        "sha256": delivery.artifact.sha256,
        "threads": threads(delivery),
        "inputs": inputs,
        "outputs": outputs,
        "reads": READS,
        "samples": len(delivery.golden.inputs[0]),
        "tolerances": delivery.golden.tolerances(delivery.artifact),
        "sizes": Swift().sizes,
        "sourced": sourced(delivery, inputs, READS, PIXELS),
        "rounding": ROUNDING,
    }
