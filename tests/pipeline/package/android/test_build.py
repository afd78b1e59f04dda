"""The archive for Android: what is in it, and what Android's own tool makes of the AAR."""

import io
import json
import shutil
import subprocess
import zipfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path
from xml.etree import ElementTree

import pytest

from pipeline.package.android.build import build
from pipeline.package.manifest import Manifest
from targets.errors import ConversionError, UsageError

SPACE = "library/src/main/kotlin/edgesmith/digitsmodel"
TESTS = "library/src/androidTest"


@pytest.fixture(scope="module")
def lite(make_artifact, tmp_path_factory):
    return make_artifact("tflite", tmp_path_factory.mktemp("lite"))


def members(archives: dict[str, bytes]) -> dict[str, bytes]:
    (content,) = archives.values()
    return unzipped(content)


def unzipped(content: bytes) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        assert archive.testzip() is None
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def lite_package(lite, deliver) -> dict[str, bytes]:
    return {
        name.removeprefix("digits-tflite/"): content
        for name, content in members(build(deliver(lite), None)).items()
    }


def test_the_package_holds_what_it_should(lite_package):
    assert {
        *("manifest.json", "manifest.json.sha256", "MODEL_CARD.md", "sbom.cdx.json", "LICENSE"),
        *("model/model.tflite", "metadata/model.tflite", "digits-tflite.aar"),
        *("golden/input-0.npy", "golden/output-0.npy"),
        *("library/build.gradle.kts", "library/consumer-rules.pro"),
        *("library/src/main/AndroidManifest.xml",),
        "library/src/main/assets/models/digits-tflite.tflite",
        *(f"{SPACE}/{name}.kt" for name in ("DigitsModel", "Session", "Real", "Entering")),
        f"{SPACE}/Leaving.kt",
        f"{TESTS}/kotlin/edgesmith/digitsmodel/DigitsModelGoldenTest.kt",
        f"{TESTS}/kotlin/edgesmith/digitsmodel/Npy.kt",
        *(f"{TESTS}/assets/golden/{name}-0.npy" for name in ("input", "output")),
    } == set(lite_package)


def test_the_app_has_the_model_that_was_measured(lite_package, lite):
    artifact, _ = lite
    asset = lite_package["library/src/main/assets/models/digits-tflite.tflite"]
    assert sha256(asset).hexdigest() == artifact.sha256
    assert artifact.sha256.encode() in lite_package[f"{SPACE}/DigitsModel.kt"]
    assert (
        unzipped(lite_package["digits-tflite.aar"])["assets/models/digits-tflite.tflite"] == asset
    )


def test_the_manifest_tells_what_the_app_needs(lite_package):
    manifest = Manifest.model_validate_json(lite_package["manifest.json"])
    assert manifest.platform == "android"
    assert manifest.runtime.distribution == "com.google.ai.edge.litert/litert"
    assert manifest.details["dependency"] == "com.google.ai.edge.litert:litert:2.3.0"
    assert manifest.details["namespace"] == "edgesmith.digitsmodel"
    assert lite_package[str(manifest.details["asset"])]
    assert {one.path for one in manifest.files} | {"manifest.json", "manifest.json.sha256"} == set(
        lite_package
    )
    purls = [one["purl"] for one in json.loads(lite_package["sbom.cdx.json"])["components"]]
    assert purls == ["pkg:maven/com.google.ai.edge.litert/litert@2.3.0"]


def test_gradle_pins_the_runtime_and_keeps_the_model_uncompressed(lite_package):
    told = lite_package["library/build.gradle.kts"].decode()
    assert 'implementation("com.google.ai.edge.litert:litert:2.3.0")' in told
    assert 'noCompress += listOf("tflite", "onnx", "ort")' in told
    assert 'namespace = "edgesmith.digitsmodel"' in told
    assert b"-keep class com.google.ai.edge.litert.**" in lite_package["library/consumer-rules.pro"]


def test_the_card_shows_the_call(lite_package):
    card = lite_package["MODEL_CARD.md"].decode()
    assert "DigitsModel.create(context).use { model ->" in card
    assert 'include(":digitsmodel")' in card


def test_the_same_package_is_the_same_bytes(lite, deliver):
    assert build(deliver(lite), None) == build(deliver(lite), None)


def test_onnx_comes_in_its_own_format_too(made, deliver):
    first, second = (build(deliver(made), None) for _ in range(2))
    assert first == second
    files = members(first)
    assert files["digits-onnxruntime/ort/model.ort"][4:8] == b"ORTM"
    assert b"Relu" in files["digits-onnxruntime/ort/required_operators_and_types.config"]
    manifest = Manifest.model_validate_json(files["digits-onnxruntime/manifest.json"])
    told = manifest.details["ort_format"]
    assert told["model"] == "ort/model.ort"
    assert 0 <= told["largest_difference_from_golden_in_tolerances"] <= 1


def test_a_model_that_has_no_ort_file_is_packaged_with_the_reason(made, deliver, monkeypatch):
    def refuses(artifact, golden):
        raise ConversionError("no such operator")

    monkeypatch.setattr("pipeline.package.mobile_extras.ort_format", refuses)
    files = members(build(deliver(made), None))
    assert not any("/ort/" in name for name in files)
    manifest = Manifest.model_validate_json(files["digits-onnxruntime/manifest.json"])
    assert manifest.details["ort_format"] == {"unavailable": "no such operator"}


def test_an_ai_pack_has_the_model_in_the_modules_place(lite, deliver):
    files = members(build(deliver(lite), None, ai_pack=True))
    asset = "src/main/assets/models/digits-tflite.tflite"
    assert f"digits-tflite/ai-pack/{asset}" in files
    assert f"digits-tflite/library/{asset}" not in files
    assert "digits-tflite/digits-tflite.aar" not in files
    assert f"digits-tflite/{TESTS}/assets/models/digits-tflite.tflite" in files
    told = files["digits-tflite/ai-pack/build.gradle.kts"].decode()
    assert 'id("com.android.ai-pack")' in told
    assert 'packName.set("digitsmodel")' in told


def test_a_runtime_that_android_lacks_is_refused(make_artifact, deliver, tmp_path: Path):
    made = make_artifact("openvino", tmp_path)
    with pytest.raises(UsageError, match="openvino has no package for android; allowed: tflite"):
        build(deliver(made), None)


def test_a_tensor_that_litert_cannot_carry_is_refused(lite, deliver):
    artifact, golden = lite
    inputs = (replace(artifact.inputs[0], dtype="uint8"),)
    with pytest.raises(ConversionError, match=r"'x' is uint8, which LiteRT's Kotlin API can't"):
        build(deliver((replace(artifact, inputs=inputs), golden)), None)


def test_the_aar_is_one(lite_package):
    files = unzipped(lite_package["digits-tflite.aar"])
    assert set(files) == {
        *("AndroidManifest.xml", "R.txt", "classes.jar"),
        "META-INF/com/android/build/gradle/aar-metadata.properties",
        "assets/models/digits-tflite.tflite",
    }
    assert ElementTree.fromstring(files["AndroidManifest.xml"]).attrib == {
        "package": "edgesmith.digitsmodel.model"
    }
    assert set(unzipped(files["classes.jar"])) == {"META-INF/MANIFEST.MF"}


def test_aapt_takes_the_aar(lite_package, tmp_path: Path):
    if shutil.which("aapt") is None:
        pytest.skip("no aapt on the PATH; apt-get install aapt")
    (tmp_path / "digits.aar").write_bytes(lite_package["digits-tflite.aar"])
    assert "assets/models/digits-tflite.tflite" in aapt(tmp_path, "list", "digits.aar")
    assert "Package Groups (0)" in aapt(tmp_path, "dump", "resources", "digits.aar")
    with zipfile.ZipFile(tmp_path / "digits.aar") as archive:
        archive.extractall(tmp_path)
    packaged = ("package", "-f", "-M", "AndroidManifest.xml", "-A", "assets", "-0", "tflite")
    aapt(tmp_path, *packaged, "-F", "digits.apk")
    told = aapt(tmp_path, "dump", "badging", "digits.apk")
    assert "package: name='edgesmith.digitsmodel.model'" in told
    with zipfile.ZipFile(tmp_path / "digits.apk") as archive:
        model = archive.getinfo("assets/models/digits-tflite.tflite")
    assert model.compress_type == zipfile.ZIP_STORED


def test_aapt_takes_the_modules_manifest(lite_package, tmp_path: Path):
    if shutil.which("aapt") is None:
        pytest.skip("no aapt on the PATH; apt-get install aapt")
    root = ElementTree.fromstring(lite_package["library/src/main/AndroidManifest.xml"])
    assert (root.tag, root.attrib) == ("manifest", {})  # Gradle adds the namespace
    root.set("package", "edgesmith.digitsmodel")
    (tmp_path / "AndroidManifest.xml").write_bytes(ElementTree.tostring(root))
    aapt(tmp_path, "package", "-f", "-M", "AndroidManifest.xml", "-F", "library.apk")
    assert "edgesmith.digitsmodel" in aapt(tmp_path, "dump", "badging", "library.apk")


def aapt(folder: Path, *arguments: str) -> str:
    done = subprocess.run(
        ["aapt", *arguments], cwd=folder, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    return done.stdout
