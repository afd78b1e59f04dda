"""sbom.cdx.json: the package's parts as a CycloneDX 1.6 bill of materials."""

import json
from collections.abc import Mapping
from hashlib import sha256
from uuid import NAMESPACE_URL, uuid5

from pydantic import JsonValue

EDGESMITH = "edgesmith"


def cyclonedx(
    name: str, files: Mapping[str, bytes], requirements: Mapping[str, str], version: str
) -> bytes:
    """The bill: the model with its files, and the libraries that it needs.

    Args:
        name: the package's id; with the model's files it makes the serial number.
        files: the model's files by path.
        requirements: versions by distribution.
        version: edgesmith's.

    The serial number is derived from the contents, and there is no time stamp, so that the same
    package has the same bill.
    """
    libraries = [_library(*one) for one in sorted(requirements.items())]
    purls: list[JsonValue] = [_purl(*one) for one in sorted(requirements.items())]
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
        "components": [*libraries],
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


def _library(distribution: str, version: str) -> dict[str, JsonValue]:
    purl = _purl(distribution, version)
    return {
        "type": "library",
        "bom-ref": purl,
        "name": distribution,
        "version": version,
        "purl": purl,
    }


def _purl(distribution: str, version: str) -> str:
    return f"pkg:pypi/{distribution}@{version}"
