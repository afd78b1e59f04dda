"""The bill of materials: what it names, in what order, and that it is the same every time."""

import json

from pipeline.package.sbom import Library, cyclonedx

FILES = {"model/model.onnx": b"model"}
LIBRARIES = [
    Library("pypi", "numpy", "2.4.6", "a" * 64),
    Library("maven", "com.google.ai.edge.litert/litert", "2.3.0"),
    Library("github", "someone/something", "1"),
]


def bill(libraries=LIBRARIES) -> dict:
    return json.loads(cyclonedx("digits", FILES, libraries, "0.1.0"))


def test_libraries_have_their_package_url_and_licence():
    found = {one["purl"]: one for one in bill()["components"]}
    assert list(found) == sorted(found)
    litert = found["pkg:maven/com.google.ai.edge.litert/litert@2.3.0"]
    assert litert["licenses"] == [{"expression": "Apache-2.0"}]
    assert "hashes" not in litert
    numpy = found["pkg:pypi/numpy@2.4.6"]
    assert numpy["hashes"] == [{"alg": "SHA-256", "content": "a" * 64}]
    assert "licenses" not in found["pkg:github/someone/something@1"]


def test_the_model_depends_on_each_of_them():
    document = bill()
    purls = [one["bom-ref"] for one in document["components"]]
    assert document["dependencies"][0] == {"ref": "model", "dependsOn": purls}


def test_the_serial_number_follows_the_model():
    first, same = bill(), bill(list(reversed(LIBRARIES)))
    assert first == same
    other = json.loads(cyclonedx("digits", {"model/model.onnx": b"x"}, LIBRARIES, "0.1.0"))
    assert other["serialNumber"] != first["serialNumber"]
