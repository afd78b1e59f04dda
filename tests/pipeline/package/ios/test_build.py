"""The archive for iOS: a Swift package at its root."""

import io
import json
import zipfile
from hashlib import sha256

import pytest

from pipeline.package.ios.build import build
from pipeline.package.manifest import Manifest
from targets.errors import UsageError

SOURCES, TESTS = "Sources/DigitsModelKit", "Tests/DigitsModelKitTests"


@pytest.fixture(scope="module")
def lite(make_artifact, tmp_path_factory):
    return make_artifact("tflite", tmp_path_factory.mktemp("lite"))


@pytest.fixture(scope="module")
def package(lite, deliver) -> dict[str, bytes]:
    (content,) = build(deliver(lite), None).values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {
            name.removeprefix("digits-tflite/"): archive.read(name) for name in archive.namelist()
        }


def test_the_package_holds_what_it_should(package):
    assert {
        *("manifest.json", "manifest.json.sha256", "MODEL_CARD.md", "sbom.cdx.json", "LICENSE"),
        *("model/model.tflite", "metadata/model.tflite", "Package.swift"),
        *("golden/input-0.npy", "golden/output-0.npy"),
        *(f"{SOURCES}/{name}.swift" for name in ("DigitsModel", "Session", "Real", "Entering")),
        f"{SOURCES}/Leaving.swift",
        f"{SOURCES}/Models/digits-tflite.tflite",
        *(f"{TESTS}/{name}.swift" for name in ("GoldenTests", "Npy")),
        *(f"{TESTS}/Golden/{name}-0.npy" for name in ("input", "output")),
    } == set(package)


def test_the_app_has_the_model_that_was_measured(package, lite):
    artifact, _ = lite
    model = package[f"{SOURCES}/Models/digits-tflite.tflite"]
    assert sha256(model).hexdigest() == artifact.sha256
    assert artifact.sha256.encode() in package[f"{SOURCES}/DigitsModel.swift"]


def test_the_manifest_tells_what_the_app_needs(package):
    manifest = Manifest.model_validate_json(package["manifest.json"])
    assert manifest.platform == "ios"
    assert manifest.runtime.least_version == "2.3.0"
    assert manifest.details["module"] == "DigitsModelKit"
    assert {one.path for one in manifest.files} | {"manifest.json", "manifest.json.sha256"} == set(
        package
    )
    purls = [one["purl"] for one in json.loads(package["sbom.cdx.json"])["components"]]
    assert purls == ["pkg:swift/github.com/google-ai-edge/LiteRT@2.3.0"]


def test_package_swift_names_every_folder(package):
    told = package["Package.swift"].decode()
    assert 'resources: [.copy("Models")]' in told
    assert 'resources: [.copy("Golden")]' in told
    assert 'name: "DigitsModelKit"' in told


def test_the_card_shows_the_call_and_says_what_was_not_tried(made, deliver, package):
    assert "import DigitsModelKit\n\nlet model = try DigitsModel.create()" in card(package)
    (content,) = build(deliver(made), None).values()
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        told = archive.read("digits-onnxruntime/MODEL_CARD.md").decode()
    assert "not with version 1.24.2" in told


def card(package) -> str:
    return package["MODEL_CARD.md"].decode()


def test_the_same_package_is_the_same_bytes(lite, deliver):
    assert build(deliver(lite), None) == build(deliver(lite), None)


def test_a_runtime_that_ios_lacks_is_refused(make_artifact, deliver, tmp_path):
    made = make_artifact("openvino", tmp_path)
    with pytest.raises(UsageError, match="openvino has no package for ios; allowed: tflite"):
        build(deliver(made), None)
