"""The runtimes of phones: what a package for one depends on, and what it has to be told."""

from dataclasses import dataclass
from typing import Literal

from pipeline.package.contents import Delivery, installed
from pipeline.package.manifest import Runtime
from pipeline.package.sbom import Library
from targets.artifact import files_of
from targets.errors import ConversionError, UsageError

System = Literal["android", "ios"]

PINNED: dict[System, dict[str, Library]] = {
    "android": {
        "tflite": Library("maven", "com.google.ai.edge.litert/litert", "2.3.0"),
        "onnxruntime": Library("maven", "com.microsoft.onnxruntime/onnxruntime-android", "1.31.0"),
    },
    "ios": {
        "tflite": Library("swift", "github.com/google-ai-edge/LiteRT", "2.3.0"),
        "onnxruntime": Library(
            "swift", "github.com/microsoft/onnxruntime-swift-package-manager", "1.24.2"
        ),
    },
}
"""Published releases. ONNX Runtime's Swift package lags behind its other ones."""

NAMES = {"tflite": "LiteRT", "onnxruntime": "ONNX Runtime"}
DESKS = {"tflite": "ai-edge-litert", "onnxruntime": "onnxruntime"}
"""The distributions that golden vectors come from."""


@dataclass(frozen=True)
class Mobile:
    """A runtime on a phone.

    Attributes:
        name: tflite or onnxruntime.
        library: the dependency, pinned.
        desk: what the golden vectors were made with, "onnxruntime 1.31.0".
    """

    name: str
    library: Library
    desk: str

    @property
    def runtime(self) -> Runtime:
        """As the manifest tells it."""
        distribution, version = self.library.name, self.library.version
        return Runtime(name=self.name, distribution=distribution, least_version=version)

    @property
    def checked(self) -> str:
        """How far the dependency's version was tried."""
        version = self.library.version
        if self.desk.endswith(f" {version}"):
            return f"The golden vectors were made with {self.desk}."
        return f"The golden vectors were made with {self.desk}, not with version {version}."


def mobile(delivery: Delivery, system: System) -> Mobile:
    """The runtime of an artifact on a phone.

    Raises:
        UsageError: the phone's system has no such runtime.
        ConversionError: the model is of several files, and an app has it as one.
        EnvironmentFault: the runtime is not installed here.
    """
    name = delivery.artifact.runtime
    if name not in PINNED[system]:
        raise UsageError(
            f"{delivery.title}: {name} has no package for {system}; allowed: "
            f"{', '.join(PINNED[system])} (--runtime)"
        )
    files = files_of(delivery.artifact.path)
    if len(files) > 1:
        raise ConversionError(
            f"{delivery.artifact.path}: the model is of {len(files)} files, and an app has it as "
            "one; save it with its weights inside"
        )
    desk = DESKS[name]
    return Mobile(name, PINNED[system][name], f"{desk} {installed(desk)}")


def threads(delivery: Delivery) -> int:
    """How many threads the artifact was measured with; 1 where that is not told."""
    told = str(delivery.measurement.conditions.get("threads", ""))
    return int(told) if told.isdigit() and int(told) > 0 else 1
