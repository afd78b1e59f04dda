import io
import json
import tarfile
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import pytest

from pipeline.package.contents import Notes
from pipeline.package.linux.build import build
from pipeline.package.linux.shipping import PROCESSING, SHIPPED
from pipeline.package.manifest import Manifest
from pipeline.package.markdown import plain
from pipeline.processing.after import Softmax, TopK
from targets.errors import ArtifactError, EnvironmentFault, UsageError

REPOSITORY = Path(__file__).parents[3]
HOSTILE = "<script>|`x`\n# [a](b)"


def contents(path: Path) -> dict[str, bytes]:
    return members(path.read_bytes())


def members(content: bytes) -> dict[str, bytes]:
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        return {one.name: archive.extractfile(one).read() for one in archive.getmembers()}


def test_the_package_holds_what_it_should(package: Path):
    assert package.name == "digits-onnxruntime.tar.gz"
    names = {name.removeprefix("digits-onnxruntime/") for name in contents(package)}
    assert names == {
        *("manifest.json", "model/model.onnx", "golden/input-0.npy", "golden/output-0.npy"),
        *("MODEL_CARD.md", "sbom.cdx.json", "LICENSE", "requirements.txt", "install.sh", "run.py"),
        *("manifest.json.sha256", "debian/control", "edgesmith-digits-onnxruntime.service"),
        *("examples/example.py", "examples/example.c"),
        *(f"digits_model/{name}.py" for name in ("__init__", "api", *SHIPPED, *PROCESSING)),
    }


def test_the_same_package_is_the_same_bytes(made, deliver):
    assert build(deliver(made), None) == build(deliver(made), None)


def test_the_archive_tells_nothing_of_its_maker(package: Path):
    assert package.read_bytes()[4:8] == b"\0\0\0\0"  # gzip's time
    with tarfile.open(package) as archive:
        members = archive.getmembers()
    assert [one.name for one in members] == sorted(one.name for one in members)
    for member in members:
        assert (member.uid, member.gid, member.uname, member.gname) == (0, 0, "", "")
        assert member.mtime == 0
        assert member.isfile()
        executable = member.name.endswith(("run.py", "install.sh"))
        assert member.mode == (0o755 if executable else 0o644)


def test_times_come_from_source_date_epoch(made, deliver, monkeypatch):
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    content, _ = build(deliver(made), None).values()
    with tarfile.open(fileobj=io.BytesIO(content)) as archive:
        assert {member.mtime for member in archive.getmembers()} == {1_700_000_000}
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "yesterday")
    with pytest.raises(UsageError, match="yesterday"):
        build(deliver(made), None)


def test_the_manifest_lists_every_other_file(package: Path, made):
    files = {name.partition("/")[2]: one for name, one in contents(package).items()}
    manifest = Manifest.model_validate_json(content := files.pop("manifest.json"))
    told = f"{sha256(content).hexdigest()}  manifest.json\n"
    assert files.pop("manifest.json.sha256").decode() == told
    assert {one.path: (one.sha256, one.size_bytes) for one in manifest.files} == {
        path: (sha256(one).hexdigest(), len(one)) for path, one in files.items()
    }
    artifact, _ = made
    assert (manifest.model.sha256, manifest.model.size_bytes) == (
        artifact.sha256,
        artifact.size_bytes,
    )


def test_the_manifest_states_the_contract(made, deliver):
    plain_one = deliver(made)
    (output,) = plain_one.interface.outputs
    operations = (Softmax(), TopK(k=2, labels=("a", "b", "c", "d")))
    changed = output.model_copy(update={"postprocess": operations})
    interface = plain_one.interface.model_copy(update={"outputs": (changed,)})
    delivery = replace(plain_one, interface=interface, notes=Notes(metrics={"accuracy": 0.98}))
    content, _ = build(delivery, None).values()
    manifest = json.loads(members(content)["digits-onnxruntime/manifest.json"])
    assert manifest["inputs"] == [
        {
            "name": "x",
            "field": "input",
            "shape": [1, 4],
            "dtype": "int8",
            "layout": {"unavailable": "the task does not state it"},
            "scale": 0.05,
            "zero_point": -3,
            "source": {"source": "values", "shape": [4], "dtype": "float32"},
            "preprocess": [],
            "folded": [],
        }
    ]
    assert manifest["outputs"][0]["postprocess"][1]["labels"] == ["a", "b", "c", "d"]
    assert manifest["class_name"] == "DigitsModel"
    assert manifest["platform"] == "linux"
    assert manifest["runtime"]["distribution"] == "onnxruntime"
    assert manifest["measurement"]["samples_path"] is None
    assert manifest["verdict"]["status"] == "PASS"
    assert manifest["metrics"] == {"accuracy": 0.98}
    assert "not signed" in manifest["signature"]["unavailable"]


def test_the_bill_of_materials_names_model_and_libraries(package: Path, made):
    bill = json.loads(contents(package)["digits-onnxruntime/sbom.cdx.json"])
    assert (bill["bomFormat"], bill["specVersion"]) == ("CycloneDX", "1.6")
    model = bill["metadata"]["component"]
    assert model["components"][0]["hashes"][0]["content"] == made[0].sha256
    references = {one["bom-ref"] for one in bill["components"]} | {model["bom-ref"]}
    assert {one["ref"] for one in bill["dependencies"]} == references
    pinned = contents(package)["digits-onnxruntime/requirements.txt"].decode().splitlines()
    assert {line.removesuffix(" \\").replace("==", "@") for line in pinned if "==" in line} == {
        one["purl"].removeprefix("pkg:pypi/") for one in bill["components"]
    }


def test_the_licence_is_ours_in_full(package: Path):
    licence = contents(package)["digits-onnxruntime/LICENSE"]
    assert licence == (REPOSITORY / "LICENSE").read_bytes()


def test_the_card_tells_the_verdict_and_escapes_text(made, deliver):
    archives = build(deliver(made, name=HOSTILE, description=HOSTILE), None)
    (name, content), _ = archives.items()
    card = members(content)["script-x-a-b-onnxruntime/MODEL_CARD.md"].decode()
    assert "| Latency p95 | 0.0200 ms (40% of dense) | 0.0100 ms | 0.0120 ms | PASS |" in card
    assert "| latency p99 | n/a few samples |" in card
    assert plain(HOSTILE) in card
    assert "<script" not in card.replace("\\<script", "")
    assert name == "script-x-a-b-onnxruntime.tar.gz"


def test_a_model_that_has_changed_is_refused(made, deliver, tmp_path: Path):
    artifact, _ = made
    with pytest.raises(ArtifactError, match="has changed since it was measured"):
        build(deliver(made, artifact=replace(artifact, sha256="0" * 64)), None)
    with pytest.raises(ArtifactError, match="no such file"):
        build(deliver(made, artifact=replace(artifact, path=tmp_path / "no.onnx")), None)


def test_a_runtime_that_is_not_installed_is_named(made, deliver, monkeypatch):
    monkeypatch.setitem(build.__globals__["DISTRIBUTIONS"], "onnxruntime", "no-such-runtime")
    with pytest.raises(EnvironmentFault, match="pip install no-such-runtime"):
        build(deliver(made), None)
