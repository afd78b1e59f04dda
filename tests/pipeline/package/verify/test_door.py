"""From argv to exit code; and that whatever a package holds, memory stays bounded."""

import json
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from hashlib import sha256
from pathlib import Path

import onnx
import pytest
from cryptography.hazmat.primitives import serialization as serial
from onnx import TensorProto, helper
from typer.testing import CliRunner

from pipeline.cli import app
from pipeline.package.archive import tar_gz, zipped
from pipeline.package.linux.deb import deb
from pipeline.package.manifest import SIGNATURE, checksums
from pipeline.package.signing import SigningKey
from targets.artifact import digest

Files = dict[str, bytes]
UNIT = "data/usr/lib/systemd/system/p.service"
MEASURED = """
import json, resource, sys
from pathlib import Path
from pipeline.verify import Asked, verified
from targets.agent.memory import peak_bytes
found = verified(Path(sys.argv[1]), Asked())
child_bytes = resource.getrusage(resource.RUSAGE_CHILDREN).ru_maxrss * 1024
peak = max(peak_bytes(), child_bytes)
print(json.dumps({"told": [str(one) for one in found.differences], "peak_bytes": peak}))
"""


def invoke(*arguments: object) -> tuple[int, str]:
    done = CliRunner().invoke(app, ["verify", *map(str, arguments)])
    return done.exit_code, done.output


@pytest.fixture
def place(tmp_path: Path) -> Callable[[str, bytes], Path]:
    def write(name: str, content: bytes) -> Path:
        (tmp_path / name).write_bytes(content)
        return tmp_path / name

    return write


@pytest.fixture
def public(keys, place) -> Path:
    form = serial.PublicFormat.SubjectPublicKeyInfo
    return place("public.pem", keys.mine.public_key().public_bytes(serial.Encoding.PEM, form))


def test_what_holds_ends_with_0(signed: Files, reseal, keys, public: Path, place):
    signer = SigningKey(keys.mine)
    forever = reseal(signed, lambda m: m["signature"].update(not_after=None), signer)
    package = place("p.zip", zipped(forever, "p"))
    code, told = invoke(package, "--key", public, "--require-signature")
    assert code == 0
    assert "p.zip: verified" in told
    assert f"by key {keys.public.key_id}, which is yours" in told
    code, told = invoke(package, "--json")
    document = json.loads(told[told.index("{") :])
    assert (document["verified"], document["signature"]["status"]) == (True, "unjudged")
    assert document["golden"]["samples"] == 8


def test_what_is_different_ends_with_3(files: Files, public: Path, place):
    package = place("p.zip", zipped({**files, "LICENSE": b""}, "p"))
    code, told = invoke(package)
    assert code == 3
    assert "different: LICENSE has 0 bytes; manifest.json says" in told
    assert "p.zip: not verified: 1 different" in told
    unsigned = place("u.zip", zipped(files, "p"))
    for arguments in ((unsigned, "--require-signature"), (unsigned, "--key", public)):
        code, told = invoke(*arguments)
        assert code == 3
        assert "signature is required, and the package is not signed" in told


def test_no_package_speaks_to_the_terminal(files: Files, reseal, place):
    def forge(manifest: dict) -> None:
        evil = {"path": "\x1b[2J\x1b[1;1Hverified", "sha256": "", "size_bytes": 0}
        manifest["files"].append(evil)

    code, told = invoke(place("p.zip", zipped(reseal(files, forge), "p")))
    assert code == 3
    assert "\x1b" not in told
    assert "[2J\N{REPLACEMENT CHARACTER}[1;1Hverified is missing" in told


def test_bad_input_ends_with_2_or_3_and_a_message(files: Files, place, tmp_path: Path):
    package = place("p.tar.gz", tar_gz("p", files))
    cases = {
        "no such file": (2, [tmp_path / "none.zip"]),
        "a folder; give the archive": (2, [tmp_path]),
        "is empty": (2, [place("empty.zip", b"")]),
        "damaged or cut-off": (2, [place("cut.tar.gz", package.read_bytes()[:-500])]),
        "leads outside the package": (3, [place("evil.zip", zipped({"../evil": b""}))]),
        "no key to verify by can be read": (2, [package, "--key", tmp_path / "none.pem"]),
        "no public key in PEM": (2, [package, "--key", package]),
    }
    for message, (expected, arguments) in cases.items():
        code, told = invoke(*arguments)
        assert (code, message in told) == (expected, True), told
        assert "Traceback" not in told


@pytest.fixture(scope="session")
def debian(files: Files) -> Files:
    """A package's files, among them those that a .deb copies to elsewhere."""
    return listed({**files, "debian/control": b"Package: p\n", "p.service": b"[Unit]\n"})


def test_a_deb_is_verified_with_all_that_it_installs(debian: Files, place):
    code, told = invoke(place("p.deb", installed(debian)))
    assert code == 0, told


def listed(files: Files) -> Files:
    """The files with a manifest that lists them all."""
    manifest = json.loads(files["manifest.json"])
    seals = ("manifest.json", "manifest.json.sha256", SIGNATURE)
    manifest["files"] = [
        {"path": path, "sha256": sha256(one).hexdigest(), "size_bytes": len(one)}
        for path, one in sorted(files.items())
        if path not in seals
    ]
    content = json.dumps(manifest).encode()
    checksum = checksums({"manifest.json": sha256(content).hexdigest()})
    return {**files, "manifest.json": content, "manifest.json.sha256": checksum}


def installed(files: Files, control: bytes | None = None, **more: bytes) -> bytes:
    data = {f"opt/edgesmith/p/{path}": content for path, content in files.items()}
    data |= {"usr/lib/systemd/system/p.service": files["p.service"]}
    data |= {"usr/share/doc/p/copyright": files["LICENSE"]}
    return deb(control or files["debian/control"], data | more)


def test_what_a_deb_installs_beside_its_folder_is_a_copy(debian: Files, place):
    forged = {
        "control/control has sha256": installed(debian, b"Package: evil\n"),
        f"{UNIT} has sha256": installed(
            debian, **{"usr/lib/systemd/system/p.service": b"[Service]\nExecStart=evil\n"}
        ),
        "data/etc/cron.d/p is installed, where no package": installed(
            debian, **{"etc/cron.d/p": debian["LICENSE"]}
        ),
        "the package has no q.service to copy": installed(
            debian, **{"usr/lib/systemd/system/q.service": debian["p.service"]}
        ),
    }
    for message, content in forged.items():
        code, told = invoke(place("p.deb", content))
        assert (code, message in told) == (3, True), told


def huge(path: Path) -> None:
    """A model that asks for 10 GB on its way from 4 numbers to 4 numbers."""
    ends = [helper.make_tensor_value_info(name, TensorProto.FLOAT, (1, 4)) for name in ("x", "y")]
    sizes = helper.make_tensor("sizes", TensorProto.INT64, [2], [625_000_000, 4])
    nodes = [
        helper.make_node("Shape", ["x"], ["shape"]),
        helper.make_node("Sub", ["shape", "shape"], ["zero"]),
        helper.make_node("Add", ["sizes", "zero"], ["asked"]),
        helper.make_node("Expand", ["x", "asked"], ["wide"]),
        helper.make_node("ReduceMax", ["wide"], ["y"], axes=[0], keepdims=1),
    ]
    graph = helper.make_graph(nodes, "huge", ends[:1], ends[1:], [sizes])
    opset = helper.make_opsetid("", 17)
    onnx.save(helper.make_model(graph, opset_imports=[opset], ir_version=9), path)


@pytest.mark.slow
def test_a_model_of_10_gb_is_refused_in_bounded_memory(made, deliver, seal, place, tmp_path: Path):
    artifact, golden = made
    path = tmp_path / "model.onnx"
    huge(path)
    name, size_bytes = digest([path])
    floats = [replace(one, dtype="float32", quantization=None) for one in artifact.inputs]
    left = [replace(one, dtype="float32", quantization=None) for one in artifact.outputs]
    grown = replace(
        artifact, path=path, sha256=name, size_bytes=size_bytes,
        inputs=tuple(floats), outputs=tuple(left),
    )  # fmt: skip
    package = place("p.tar.gz", tar_gz("p", seal(deliver((grown, golden)))))
    done = subprocess.run(
        [sys.executable, "-c", MEASURED, str(package)],
        capture_output=True, check=True, timeout=300, cwd=Path(__file__).parents[4],
    )  # fmt: skip
    found = json.loads(done.stdout)
    assert "it needs more memory than the 2.0 GB allowed" in found["told"][0]
    assert found["peak_bytes"] < 2_000_000_000
