"""verify tells exactly what is different, whoever packed the archive, and runs only what holds."""

import io
import json
import random
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest

from pipeline import verify
from pipeline.package.archive import tar_gz, zipped
from pipeline.package.golden import npy
from pipeline.verify import Asked
from pipeline.verify_view import NOT_RUN, Verified
from targets.errors import EnvironmentFault

Files = dict[str, bytes]


def told(found: Verified) -> str:
    return "\n".join(map(str, found.differences))


def test_a_package_of_any_runtime_holds(any_made, deliver, look, seal):
    found = look(seal(deliver(any_made)))
    assert found.holds
    assert found.differences == ()
    assert found.ran.samples == 8
    assert [one.worst for one in found.ran.outputs] == [0.0]
    assert found.ran.runtime
    assert found.signature.status == "unsigned"
    document = found.document()
    assert document["verified"] is True
    assert document["golden"]["outputs"][0]["tolerance"] > 0
    json.dumps(document, allow_nan=False)


@pytest.mark.parametrize("kind", ["tar.gz", "zip"])
def test_200_flipped_bytes_are_all_found(kind: str, signed: Files, tmp_path: Path, keys):
    generator = random.Random(7)
    path = tmp_path / f"p.{kind}"
    for _ in range(200):
        name = generator.choice(sorted(signed))
        content = bytearray(signed[name])
        content[generator.randrange(len(content))] ^= generator.randrange(1, 256)
        changed = {**signed, name: bytes(content)}
        path.write_bytes(tar_gz("p", changed) if kind == "tar.gz" else zipped(changed, "p"))
        found = verify.verified(path, Asked(today=keys.today))
        assert not found.holds
        assert found.ran.runtime == ""
        assert (name in told(found)) or name.startswith("manifest.json")


def test_a_missing_a_further_and_a_changed_file_are_all_told(files: Files, look):
    changed = {**files, "LICENSE": b"short", "model/evil.onnx": b"evil"}
    del changed["golden/input-0.npy"]
    found = look(changed)
    names = {"LICENSE", "model/evil.onnx", "golden/input-0.npy"}
    assert {one.where for one in found.differences} == names
    assert "LICENSE has 5 bytes; manifest.json says" in told(found)
    assert "model/evil.onnx is in the package, but not in manifest.json" in told(found)
    assert "golden/input-0.npy is missing" in told(found)
    assert found.document()["golden"] == {"unavailable": NOT_RUN}


def test_a_manifest_without_or_with_a_wrong_checksum(files: Files, look):
    without = {name: one for name, one in files.items() if name != "manifest.json.sha256"}
    assert told(look(without)) == "manifest.json.sha256 is missing"
    wrong = {**files, "manifest.json.sha256": b"0" * 64 + b"  manifest.json\n"}
    assert "manifest.json has sha256 " in told(look(wrong))
    more = {**files, "manifest.json.sha256": files["manifest.json.sha256"] + b"\n"}
    assert "is not what `sha256sum manifest.json` prints" in told(look(more))


@pytest.mark.parametrize(
    ("change", "expected"),
    [
        (lambda m: m.update(schema_version=2), "schema_version 2; this edgesmith reads 1"),
        (lambda m: m.update(format="zip"), "is no manifest: format"),
        (lambda m: m.pop("golden"), "is no manifest: golden"),
        (lambda m: m.update(extra=1), "is no manifest: extra"),
        (lambda m: m["files"].append(m["files"][0]), "lists 'LICENSE' 2 times"),
        (lambda m: m["files"].append({"path": "../x", "sha256": "", "size_bytes": 0}), "../x is"),
        (lambda m: m["model"].update(path="../x.onnx"), "'../x.onnx' as its model, which it lacks"),
        (lambda m: m["model"].update(sha256="0"), "over all its files"),
        (lambda m: m["model"].update(format="pickle"), "a model of format 'pickle'; known"),
        (lambda m: m["golden"].update(samples=9), "has shape (8, 4); 'x' needs (9, 4)"),
        (lambda m: m["golden"]["inputs"][0].update(path="/etc/passwd"), "which it does not list"),
        (lambda m: m["golden"]["inputs"].clear(), "has 0 golden arrays for 1 ports"),
        (lambda m: m["golden"]["outputs"][0].update(tolerance=None), "no tolerance"),
        (lambda m: m["inputs"][0].update(shape=[1, 10**9]), "'x' needs (8, 1000000000)"),
        (lambda m: m["inputs"][0].update(dtype="float32"), "says input 'x' float32 [1, 4]"),
        (lambda m: m["inputs"][0].update(scale=0.0), "is quantized, in a way none is"),
        (lambda m: m["inputs"][0].update(zero_point=200), "is quantized, in a way none is"),
        (lambda m: m["outputs"][0].update(name="z"), "says output 'z'"),
        (lambda m: m["outputs"][0].update(scale=0.1), "from golden in sample"),
    ],
)
def test_a_forged_manifest_is_told(change, expected: str, files: Files, look, reseal):
    found = look(reseal(files, change))
    assert not found.holds
    assert expected in told(found)


@pytest.mark.parametrize("content", [b"", b"[1", b"[" * 100_000, b"\xff", b'{"format": 3}', b"nul"])
def test_a_manifest_that_is_none(content: bytes, files: Files, look, other_manifest):
    found = look(other_manifest(files, content))
    assert "manifest.json is no manifest" in told(found)
    assert found.document()["id"] is None


def test_a_manifest_of_many_bytes_is_not_read(files: Files, look):
    assert "is longer than" in told(look({**files, "manifest.json": b" " * 9_000_000}))


def header(shape: str, dtype: str = "<f4") -> bytes:
    text = f"{{'descr': '{dtype}', 'fortran_order': False, 'shape': {shape}, }}\n".encode()
    return b"\x93NUMPY\x01\x00" + len(text).to_bytes(2, "little") + text


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (header("(50000, 50000, 1)"), "declares 10,000,000,000 bytes of numbers and holds 0"),
        (header("(8, 4)", "|O"), "no .npy file"),
        (header("(8, __import__('os'))"), "no .npy file"),
        (header("(8, 4)", "<i3"), "no .npy file"),
        (header("(8, 4)", "<f1") + b"\0" * 32, "no known type"),
        (b"", "no .npy file"),
        (b"\x93NUMPY\x03\x00\xff\xff", "no .npy file"),
        (npy(np.zeros((8, 5), np.float32)), "has shape (8, 5); 'x' needs (8, 4)"),
    ],
)
def test_a_golden_array_that_is_none(content: bytes, expected: str, files: Files, look, reseal):
    found = look(reseal({**files, "golden/input-0.npy": content}))
    assert expected in told(found)


@pytest.mark.parametrize("value", [0.11, np.nan, np.inf])
def test_outputs_that_are_not_golden(value: float, files: Files, look, reseal):
    array = np.load(io.BytesIO(files["golden/output-0.npy"]))
    array[3, 0] += value
    found = look(reseal({**files, "golden/output-0.npy": npy(array)}))
    assert "output 'y' is" in told(found)
    assert "from golden in sample 3; allowed is 0.05" in told(found)


def test_a_model_that_the_runtime_refuses(files: Files, look, reseal):
    changed = {**files, "model/model.onnx": b"\x08\x01" + b"garbage"}

    def fit(manifest: dict) -> None:
        content = changed["model/model.onnx"]
        manifest["model"].update(sha256=sha256(content).hexdigest(), size_bytes=len(content))

    found = look(reseal(changed, fit))
    assert "model/model.onnx can't be run: " in told(found)


def test_a_missing_runtime_is_the_environments_fault(files: Files, look, monkeypatch):
    def missing(*_: object) -> None:
        raise EnvironmentFault("onnxruntime can't be imported")

    monkeypatch.setattr("targets.target.ask", missing)
    with pytest.raises(EnvironmentFault, match="can't be imported"):
        look(files)
