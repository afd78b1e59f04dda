"""verify tells exactly what is different, whoever packed the archive, and runs only what holds."""

import io
import json
import random
from collections.abc import Callable
from datetime import date
from hashlib import sha256
from pathlib import Path

import numpy as np
import pytest
from cryptography.hazmat.primitives import serialization as serial
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from pipeline import verify
from pipeline.package.archive import tar_gz, zipped
from pipeline.package.contents import common, sealed
from pipeline.package.golden import npy
from pipeline.package.manifest import Runtime, checksums
from pipeline.package.signing import SigningKey, VerifyingKey
from pipeline.verify import Asked
from pipeline.verify_view import NOT_RUN, Verified
from targets.errors import ArtifactError, EnvironmentFault, UsageError

Files = dict[str, bytes]
KEY, OTHER = (Ed25519PrivateKey.from_private_bytes(bytes([one]) * 32) for one in (1, 2))
PUBLIC, STRANGER = VerifyingKey(KEY.public_key()), VerifyingKey(OTHER.public_key())
TODAY = date(2026, 6, 1)


@pytest.fixture(scope="session")
def files(made, deliver) -> Files:
    """An unsigned package's files."""
    return sealed_files(deliver(made))


@pytest.fixture(scope="session")
def signed(made, deliver) -> Files:
    """A package's files, signed."""
    return sealed_files(deliver(made), SigningKey(KEY, "2026-06-01"))


def sealed_files(delivery, signer: SigningKey | None = None) -> Files:
    runtime = Runtime(name="onnxruntime", distribution="onnxruntime", least_version="1")
    return sealed(
        delivery, common(delivery, []), platform="linux", runtime=runtime, usage="", signer=signer
    )


@pytest.fixture
def look(tmp_path: Path) -> Callable[..., Verified]:
    """What verify finds out of files that are packed as a .tar.gz."""

    def tell(files: Files, key: VerifyingKey | None = None, required: bool = False) -> Verified:
        path = tmp_path / "p.tar.gz"
        path.write_bytes(tar_gz("p", files))
        return verify.verified(path, Asked(key, required, TODAY))

    return tell


def resealed(
    files: Files, change: Callable[[dict], None], signer: SigningKey | None = None
) -> Files:
    """The files with a forged manifest, its checksum and list of files made to fit."""
    manifest = json.loads(files["manifest.json"])
    for one in manifest["files"]:
        content = files[one["path"]]
        one |= {"sha256": sha256(content).hexdigest(), "size_bytes": len(content)}
    change(manifest)
    content = json.dumps(manifest).encode()
    seals = {"manifest.json": content}
    if signer or "manifest.json.sig" in files:
        seals["manifest.json.sig"] = signer.sign(content) if signer else files["manifest.json.sig"]
    return {**files, **seals, "manifest.json.sha256": summed(seals)}


def summed(seals: Files) -> bytes:
    return checksums({name: sha256(content).hexdigest() for name, content in seals.items()})


def same(manifest: dict) -> None:
    """No further change."""


def told(found: Verified) -> str:
    return "\n".join(map(str, found.differences))


def test_a_package_of_any_runtime_holds(any_made, deliver, look):
    found = look(sealed_files(deliver(any_made)))
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
def test_200_flipped_bytes_are_all_found(kind: str, signed: Files, tmp_path: Path):
    generator = random.Random(7)
    path = tmp_path / f"p.{kind}"
    for _ in range(200):
        name = generator.choice(sorted(signed))
        content = bytearray(signed[name])
        content[generator.randrange(len(content))] ^= generator.randrange(1, 256)
        changed = {**signed, name: bytes(content)}
        path.write_bytes(tar_gz("p", changed) if kind == "tar.gz" else zipped(changed, "p"))
        found = verify.verified(path, Asked(today=TODAY))
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
    wrong = {**files, "manifest.json.sha256": summed({"manifest.json": b"another"})}
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
def test_a_forged_manifest_is_told(change, expected: str, files: Files, look):
    found = look(resealed(files, change))
    assert not found.holds
    assert expected in told(found)


@pytest.mark.parametrize("content", [b"", b"[1", b"[" * 100_000, b"\xff", b'{"format": 3}', b"nul"])
def test_a_manifest_that_is_none(content: bytes, files: Files, look):
    found = look(
        {
            **files,
            "manifest.json": content,
            "manifest.json.sha256": summed({"manifest.json": content}),
        }
    )
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
def test_a_golden_array_that_is_none(content: bytes, expected: str, files: Files, look):
    found = look(resealed({**files, "golden/input-0.npy": content}, same))
    assert expected in told(found)


@pytest.mark.parametrize("value", [0.11, np.nan, np.inf])
def test_outputs_that_are_not_golden(value: float, files: Files, look):
    array = np.load(io.BytesIO(files["golden/output-0.npy"]))
    array[3, 0] += value
    found = look(resealed({**files, "golden/output-0.npy": npy(array)}, same))
    assert "output 'y' is" in told(found)
    assert "from golden in sample 3; allowed is 0.05" in told(found)


def test_a_model_that_the_runtime_refuses(files: Files, look):
    changed = {**files, "model/model.onnx": b"\x08\x01" + b"garbage"}

    def fit(manifest: dict) -> None:
        content = changed["model/model.onnx"]
        manifest["model"].update(sha256=sha256(content).hexdigest(), size_bytes=len(content))

    found = look(resealed(changed, fit))
    assert "model/model.onnx can't be run: " in told(found)


def test_a_missing_runtime_is_the_environments_fault(files: Files, look, monkeypatch):
    def missing(*_: object) -> None:
        raise EnvironmentFault("onnxruntime can't be imported")

    monkeypatch.setattr("targets.target.ask", missing)
    with pytest.raises(EnvironmentFault, match="can't be imported"):
        look(files)


def test_a_signature_by_the_key_holds_on_its_last_day(signed: Files, look):
    found = look(signed, PUBLIC, True)
    assert found.holds
    assert (found.signature.status, found.signature.not_after) == ("valid", "2026-06-01")
    assert found.ran.samples == 8


def test_an_expired_signature_fails_with_and_without_a_key(signed: Files, tmp_path: Path):
    path = tmp_path / "p.tar.gz"
    path.write_bytes(tar_gz("p", signed))
    for key in (PUBLIC, None):
        found = verify.verified(path, Asked(key, today=date(2026, 6, 2)))
        assert told(found) == "signature counted until 2026-06-01; today is 2026-06-02"
        assert found.ran.runtime == ""


def test_a_last_day_can_not_be_changed(signed: Files, look):
    later = resealed(signed, lambda m: m["signature"].update(not_after="2099-01-01"))
    assert "is not what key" in told(look(later, PUBLIC))
    never = resealed(signed, lambda m: m["signature"].update(not_after="never"))
    assert "which is no day" in told(look(never, PUBLIC))


def test_another_key_is_told(signed: Files, look):
    found = look(signed, STRANGER)
    assert f"is by key {PUBLIC.key_id}; yours is {STRANGER.key_id}" in told(found)
    assert found.ran.runtime == ""


def test_a_strangers_signature_under_the_trusted_keys_name(signed: Files, look):
    forged = resealed(signed, same, SigningKey(OTHER))
    assert f"is not what key {PUBLIC.key_id} makes of this" in told(look(forged, PUBLIC))


def test_a_signature_can_not_be_taken_off(signed: Files, files: Files, look):
    without = {name: one for name, one in signed.items() if name != "manifest.json.sig"}
    assert "manifest.json.sig is missing, though" in told(look(without))
    assert told(look(files, PUBLIC, True)) == (
        "signature is required, and the package is not signed"
    )


def test_a_signature_that_the_manifest_does_not_know(files: Files, look):
    sig = {"manifest.json": files["manifest.json"], "manifest.json.sig": b"\0" * 64}
    found = look({**files, **sig, "manifest.json.sha256": summed(sig)})
    assert told(found).startswith("manifest.json.sig is there, though manifest.json says")


def test_a_signature_of_another_length(signed: Files, look):
    for content in (b"", b"\0" * 65):
        assert "a signature has 64" in told(look({**signed, "manifest.json.sig": content}))


def test_without_a_key_a_signature_is_only_told(signed: Files, look):
    found = look(signed)
    assert found.holds
    assert (found.signature.status, found.signature.key_id) == ("unjudged", PUBLIC.key_id)


def test_a_required_signature_needs_a_key(signed: Files, files: Files, look):
    with pytest.raises(UsageError, match=f"signed by key {PUBLIC.key_id}; to judge that, give"):
        look(signed, None, True)
    assert "is required" in told(look(files, None, True))


def test_the_door_gives_exit_codes_and_a_document(signed: Files, tmp_path: Path, capsys):
    package, key = tmp_path / "p.zip", tmp_path / "public.pem"
    package.write_bytes(zipped(resealed(signed, forever, SigningKey(KEY)), "p"))
    pem = KEY.public_key().public_bytes(
        serial.Encoding.PEM, serial.PublicFormat.SubjectPublicKeyInfo
    )
    key.write_bytes(pem)
    assert verify.verify(package, key, True, False) == 0
    assert "p.zip: verified" in capsys.readouterr().out
    package.write_bytes(zipped({**signed, "LICENSE": b""}, "p"))
    assert verify.verify(package, None, False, True) == 3
    document = json.loads(capsys.readouterr().out)
    assert document["verified"] is False
    assert document["differences"][0]["where"] == "LICENSE"
    package.write_bytes(b"")
    with pytest.raises(ArtifactError, match="is empty"):
        verify.verify(package, None, False, False)


def forever(manifest: dict) -> None:
    manifest["signature"]["not_after"] = None
