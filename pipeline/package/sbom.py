"""sbom.cdx.json: the package's parts as a CycloneDX 1.6 bill of materials."""

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

EDGESMITH = "edgesmith"

LICENCES: Mapping[str, str] = {
    "ai-edge-litert": "Apache-2.0",
    "com.google.ai.edge.litert/litert": "Apache-2.0",
    "com.microsoft.onnxruntime/onnxruntime-android": "MIT",
    "flatbuffers": "Apache-2.0",
    "github.com/google-ai-edge/LiteRT": "Apache-2.0",
    "github.com/microsoft/onnxruntime-swift-package-manager": "MIT",
    "numpy": "BSD-3-Clause AND 0BSD AND MIT AND Zlib AND CC0-1.0",
    "onnxruntime": "MIT",
    "openvino": "Apache-2.0",
    "tensorflow/tflite-micro": "Apache-2.0",
}
"""What each project publishes its library under, as an SPDX expression, by the library's name."""


@dataclass(frozen=True, order=True)
class Library:
    """A library that the package needs, by its package URL's parts (github.com/package-url).

    Attributes:
        kind: pypi, maven, swift, cocoapods, generic.
        name: with its namespace in front, as "com.google.ai.edge.litert/litert" in maven.
        version: exactly.
        sha256: of its file, where it is known.
    """

    kind: str
    name: str
    version: str
    sha256: str | None = None

    @property
    def purl(self) -> str:
        """The package URL."""
        return f"pkg:{self.kind}/{self.name}@{self.version}"


def cyclonedx(
    name: str, files: Mapping[str, bytes], libraries: Sequence[Library], version: str
) -> bytes:
    """The bill: the model with its files, and the libraries that it needs.

    Args:
        name: the package's id; with the model's files it makes the serial number.
        files: the model's files by path.
        libraries: what it needs, in any order.
        version: edgesmith's.

    The serial number is derived from the contents, and there is no time stamp, so that the same
    package has the same bill.
    """
    needed = sorted(libraries, key=lambda one: one.purl)
    purls: list[JsonValue] = [one.purl for one in needed]
    model = _model(name, files)
    digests = "".join(sha256(files[path]).hexdigest() for path in sorted(files))
    document: JsonValue = {
        "$schema": "http://cyclonedx.org/schema/bom-1.6.schema.json",
        "bomFormat": "CycloneDX",
        "specVersion": "1.6",
        "serialNumber": f"urn:uuid:{uuid5(NAMESPACE_URL, f'{name}:{digests}')}",
        "version": 1,
        "metadata": {
            "tools": {
                "components": [{"type": "application", "name": EDGESMITH, "version": version}]
            },
            "component": model,
        },
        "components": [_library(one) for one in needed],
        "dependencies": [
            {"ref": "model", "dependsOn": purls},
            *[{"ref": purl} for purl in purls],
        ],
    }
    return (json.dumps(document, indent=2, ensure_ascii=False) + "\n").encode()


def _model(name: str, files: Mapping[str, bytes]) -> dict[str, JsonValue]:
    return {
        "type": "machine-learning-model",
        "bom-ref": "model",
        "name": name,
        "components": [
            {
                "type": "file",
                "name": path,
                "hashes": [{"alg": "SHA-256", "content": sha256(files[path]).hexdigest()}],
            }
            for path in sorted(files)
        ],
    }


def _library(one: Library) -> dict[str, JsonValue]:
    facts: dict[str, JsonValue] = {
        "type": "library",
        "bom-ref": one.purl,
        "name": one.name,
        "version": one.version,
        "purl": one.purl,
    }
    if one.name in LICENCES:
        facts["licenses"] = [{"expression": LICENCES[one.name]}]
    if one.sha256 is not None:
        facts["hashes"] = [{"alg": "SHA-256", "content": one.sha256}]
    return facts
