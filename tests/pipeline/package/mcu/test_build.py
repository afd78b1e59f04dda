import io
import json
import zipfile
from dataclasses import replace

import ai_edge_litert.schema_py_generated as schema
import pytest

from pipeline.package.manifest import Manifest
from pipeline.package.mcu.build import build
from pipeline.processing.sources import Audio
from targets.errors import ConversionError, UsageError

NAME = "digits-tflite-mcu.zip"


def members(archives: dict[str, bytes]) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(archives[NAME])) as archive:
        return {one.removeprefix("digits-tflite/"): archive.read(one) for one in archive.namelist()}


@pytest.fixture(scope="module")
def archives(relu, deliver) -> dict[str, bytes]:
    return build(deliver(relu), None)


def test_the_package_holds_what_it_should(archives):
    assert set(archives) == {NAME}
    assert set(members(archives)) == {
        *("manifest.json", "manifest.json.sha256", "MODEL_CARD.md", "sbom.cdx.json", "LICENSE"),
        *("model/model.tflite", "golden/input-0.npy", "golden/output-0.npy"),
        *("src/model.h", "src/model.cc", "src/operators.h", "src/golden.h", "src/golden.cc"),
        "src/self_test.cc",
    }


def test_the_same_package_is_the_same_bytes(archives, relu, deliver):
    assert build(deliver(relu), None) == archives


def test_the_manifest_tells_arena_operators_gate_and_npu(archives):
    manifest = Manifest.model_validate_json(members(archives)["manifest.json"])
    details = manifest.details
    assert manifest.platform == "mcu"
    assert manifest.runtime.name == "tflite-micro"
    assert details["operators"] == ["RELU"]
    assert details["arena"]["provenance"] == "measured-host"
    assert details["arena"]["least_bytes"] < details["arena"]["recommended_bytes"]
    assert details["gate"]["status"] == "PASS"
    assert all(one.get("unavailable") or one["provenance"] == "modelled" for one in details["npu"])


def test_the_card_says_that_no_microcontroller_was_measured(archives):
    card = members(archives)["MODEL_CARD.md"].decode()
    assert "Nothing was measured on a microcontroller" in card
    assert "Gate for cortex-m: **PASS**." in card
    assert "| arena with 20% to spare | 256000 bytes |" in card


def test_the_card_says_what_an_app_does_itself(relu, deliver, archives):
    delivery = deliver(relu)
    (entry,) = delivery.interface.inputs
    entry = entry.model_copy(update={"source": Audio(rate_hz=8000, samples=4, dtype="int16")})
    interface = delivery.interface.model_copy(update={"inputs": (entry,)})
    card = members(build(deliver(relu, interface=interface), None))["MODEL_CARD.md"].decode()
    told = "Audio of 16 bits the app divides by 32768 first."
    assert told in card and told not in members(archives)["MODEL_CARD.md"].decode()


def test_the_bill_names_the_source_of_tflite_micro(archives):
    bill = json.loads(members(archives)["sbom.cdx.json"])
    (library,) = bill["components"]
    assert library["purl"].startswith("pkg:github/tensorflow/tflite-micro@")


def test_a_package_is_made_where_the_gate_fails_and_tells_so(float_relu, deliver):
    manifest = json.loads(members(build(deliver(float_relu), None))["manifest.json"])
    assert manifest["details"]["gate"]["status"] == "FAIL"


def test_another_format_and_an_unknown_device_are_refused(relu, made, deliver):
    with pytest.raises(UsageError, match=r"take \.tflite models, this one is onnx"):
        build(deliver(made), None)
    with pytest.raises(UsageError, match="did you mean 'cortex-m'"):
        build(deliver(relu), None, device="cortex-n")


def test_a_model_that_does_not_run_is_no_package(relu, deliver, writing, tmp_path):
    path = writing(tmp_path / "model.tflite", operator=schema.BuiltinOperator.RELU_N1_TO_1)
    artifact, golden = relu
    with pytest.raises(ConversionError, match="RELU_N1_TO_1"):
        build(deliver((replace(artifact, path=path), golden)), None)
