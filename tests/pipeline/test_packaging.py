"""`edgesmith package` on a run's folder made by hand: one ONNX model, relu(x), for a phone."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from onnx import TensorProto, helper

from pipeline import contract, packaging, packing
from pipeline.package.golden import Golden
from pipeline.package.interface import described
from pipeline.packaging import Order
from pipeline.processing.before import Scale
from pipeline.processing.declared import Declared, DeclaredInput
from pipeline.processing.sources import Image
from pipeline.report import storage
from pipeline.report.document import Report
from targets.artifact import Artifact, TensorSpec, digest
from targets.errors import ArtifactError, UsageError

SHAPE = (1, 2, 2, 1)
PATH = "artifacts/onnxruntime/model.onnx"
DECLARED = Declared(
    inputs=(
        DeclaredInput(
            name="x",
            source=Image(color="gray", height=2, width=2),
            operations=(Scale(factor=1 / 255),),
        ),
    )
)


def write_model(path: Path) -> Artifact:
    ends = [helper.make_tensor_value_info(one, TensorProto.FLOAT, SHAPE) for one in ("x", "y")]
    graph = helper.make_graph([helper.make_node("Relu", ["x"], ["y"])], "g", ends[:1], ends[1:])
    path.parent.mkdir(parents=True)
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)
    specs = [(TensorSpec(name, SHAPE, "float32"),) for name in ("x", "y")]
    return Artifact(path, "onnx", *digest([path]), *specs)


def row(artifact: Artifact, name: str, *, selected: bool) -> dict:
    quantiles = dict.fromkeys(("p50", "p90", "p95", "p99"), 0.5)
    readings = dict.fromkeys(("peak_memory_mb", "load_ms", "first_inference_ms", "energy_mj"), 1.0)
    return {
        "name": name,
        "runtime": "onnxruntime",
        "artifact": {
            "path": PATH,
            "format": "onnx",
            "sha256": artifact.sha256,
            "size_bytes": artifact.size_bytes,
        },
        "metrics": {"accuracy": 0.97},
        "per_class": {"0": 0.97},
        "measurement": {"latency_ms": quantiles, **readings, "provenance": "measured-on-device"},
        "verdict": {"status": "FAIL"} if selected else None,
        "lineage": ["dense", "pruned"],
        "selected": selected,
    }


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """A finished run's folder."""
    folder = tmp_path / "run"
    artifact = write_model(folder / PATH)
    sources = np.arange(12, dtype=np.uint8).reshape(3, 2, 2, 1)
    inputs = sources.astype(np.float32) * np.float32(1 / 255)
    kept = folder / contract.FOLDER / "onnxruntime"
    kept.mkdir(parents=True)
    golden = Golden((inputs,), (inputs,), sources=(sources,))
    contract.keep(kept, described("digits", artifact, DECLARED), golden)
    report = Report(
        recipe="digits",
        device="pi5",
        verdict="FAIL",
        baseline=(row(artifact, "dense", selected=False),),
        candidates=(row(artifact, "small", selected=True),),
        tools={"torch": "2.13"},
    )
    (folder / storage.REPORT).write_text(report.model_dump_json())
    return folder


def made(order: Order, capsys) -> dict:
    assert packaging.package(order, as_json=True) == 0
    return json.loads(capsys.readouterr().out)


def test_a_package_is_made_of_the_folder_alone(run: Path, capsys):
    told = made(Order(run, "linux"), capsys)
    assert (told["platform"], told["runtime"], told["verdict"]) == ("linux", "onnxruntime", "FAIL")
    assert told["gate"] is told["key_id"] is None
    paths = [Path(one["path"]) for one in told["packages"]]
    assert {path.parent for path in paths} == {run / "packages"}
    assert {path.name for path in paths} >= {"digits-onnxruntime.tar.gz"}
    for one, path in zip(told["packages"], paths, strict=True):
        assert (one["sha256"], one["size_bytes"]) == digest([path])


def test_it_is_the_same_bytes_again_elsewhere(run: Path, tmp_path: Path, capsys):
    first, second = (
        [
            one["sha256"]
            for one in made(Order(run, "linux", out=tmp_path / name), capsys)["packages"]
        ]
        for name in ("one", "two/deep")
    )
    assert first == second


def test_the_packages_of_a_person_are_told_in_words(run: Path, capsys):
    assert packaging.package(Order(run, "linux"), as_json=False) == 0
    told = capsys.readouterr().out
    assert "digits-onnxruntime.tar.gz" in told
    assert "small for onnxruntime, judged FAIL; not signed" in told


def test_a_delivery_holds_what_the_run_knows(run: Path):
    report = storage.read(run)
    delivery = packing.delivery(run, report, report.candidates[0])
    (entry,) = delivery.interface.inputs
    assert entry.preprocess == (Scale(factor=1 / 255),)
    assert entry.layout == "NHWC"
    assert delivery.artifact.inputs == (TensorSpec("x", SHAPE, "float32"),)
    assert delivery.golden.sources[0].dtype == np.uint8
    origin = delivery.notes.origin
    assert (origin.recipe, origin.device, origin.tools) == ("digits", "pi5", {"torch": "2.13"})
    assert origin.parent.metrics == {"accuracy": 0.97}
    assert delivery.notes.per_class == {"0": 0.97}


def test_the_runtime_is_the_platforms_first_that_the_run_has(run: Path, capsys):
    assert made(Order(run, "linux", "onnxruntime"), capsys)["runtime"] == "onnxruntime"
    with pytest.raises(UsageError, match="artifacts for onnxruntime; mcu packages need one for"):
        packaging.package(Order(run, "mcu"), as_json=True)
    with pytest.raises(UsageError, match=r"android packages can't hold; .*allowed: onnxr"):
        packaging.package(Order(run, "android", "openvino"), as_json=True)
    with pytest.raises(UsageError, match="need one for tflite: add it to the recipe's runtimes"):
        packaging.package(Order(run, "linux", "tflite"), as_json=True)


@pytest.mark.parametrize(
    ("order", "told"),
    [
        (Order(Path(), "androd"), "--for: found 'androd'; did you mean 'android'?"),
        (Order(Path(), "linux", not_after="2030-01-01"), "--not-after: found a day without a key"),
        (Order(Path(), "linux", device="cortex-m"), "--device: found 'cortex-m'; allowed: with"),
        (
            Order(Path(), "ios", ai_pack=True),
            "--ai-pack: found with --for ios; allowed: with",
        ),
        (Order(Path(), "linux", key=Path("no.pem")), "no.pem: no key to sign can be read"),
    ],
)
def test_a_wrong_order_is_told(run: Path, order: Order, told: str):
    with pytest.raises(UsageError, match=told):
        packaging.package(replace(order, run=run), as_json=True)


def test_a_folder_that_is_no_run_is_told(tmp_path: Path):
    with pytest.raises(ArtifactError, match=r"report\.json: no report can be read here"):
        packaging.package(Order(tmp_path, "linux"), as_json=True)


def test_a_run_without_contracts_is_told(run: Path):
    (run / "contracts/onnxruntime/interface.json").unlink()
    with pytest.raises(ArtifactError, match=r"interface.json: can't be read .* run the recipe aga"):
        packaging.package(Order(run, "linux"), as_json=True)


@pytest.mark.parametrize(
    ("name", "content", "told"),
    [
        ("interface.json", b"{}", "interface.json: class_name: Field required"),
        ("interface.json", b"{", "interface.json: document: Invalid JSON"),
        ("input-0.npy", b"no array", "input-0.npy: no .npy file of numbers"),
    ],
)
def test_damage_to_what_a_run_keeps_is_told(run: Path, name: str, content: bytes, told: str):
    (run / "contracts/onnxruntime" / name).write_bytes(content)
    with pytest.raises(ArtifactError, match=told):
        packaging.package(Order(run, "linux"), as_json=True)


def test_an_array_of_objects_is_not_unpickled(run: Path):
    np.save(run / "contracts/onnxruntime/input-0.npy", np.array([{}]), allow_pickle=True)
    with pytest.raises(ArtifactError, match=r"no \.npy file of numbers"):
        packaging.package(Order(run, "linux"), as_json=True)


def test_an_artifact_that_changed_is_refused(run: Path):
    path = run / PATH
    path.write_bytes(path.read_bytes() + b"\0")
    with pytest.raises(ArtifactError, match="has changed since it was measured"):
        packaging.package(Order(run, "linux"), as_json=True)
    assert not (run / "packages").exists()


def test_an_artifact_outside_the_folder_is_refused(run: Path):
    report = (run / "report.json").read_text().replace(PATH, "../elsewhere/model.onnx")
    (run / "report.json").write_text(report)
    with pytest.raises(ArtifactError, match="leads out of the report's folder"):
        packaging.package(Order(run, "linux"), as_json=True)
