"""The program that is shipped, as its user runs it: isolated, in a process of its own."""

import ast
import hashlib
import io
import json
import subprocess
import sys
import tarfile
from pathlib import Path

import numpy as np
import pytest

from pipeline.package.linux import shipped
from pipeline.package.linux.build import build
from pipeline.package.manifest import checksums


def unpack(path: Path, folder: Path) -> Path:
    with tarfile.open(path) as archive:
        archive.extractall(folder, filter="data")
    return folder / path.name.removesuffix(".tar.gz")


def run(root: Path, *arguments: str | Path) -> subprocess.CompletedProcess:
    command = [sys.executable, "-I", "-W", "error", root / "run.py", *arguments]
    return subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)


@pytest.fixture
def root(package: Path, tmp_path: Path) -> Path:
    return unpack(package, tmp_path / "unpacked")


def flip(path: Path, offset: int) -> None:
    content = bytearray(path.read_bytes())
    content[offset] ^= 1
    path.write_bytes(content)


def edit(root: Path, change) -> None:
    manifest = json.loads((root / "manifest.json").read_text())
    change(manifest)
    content = json.dumps(manifest).encode()
    (root / "manifest.json").write_bytes(content)
    (root / "manifest.json.sha256").write_bytes(
        checksums({"manifest.json": hashlib.sha256(content).hexdigest()})
    )


def test_the_self_test_passes_on_every_runtime(any_made, deliver, tmp_path: Path):
    (name, content), _ = build(deliver(any_made), None).items()
    (tmp_path / name).write_bytes(content)
    done = run(unpack(tmp_path / name, tmp_path / "unpacked"), "--self-test")
    assert done.returncode == 0, done.stderr
    assert "files are as the manifest says" in done.stdout
    assert "self-test passed: 8 golden samples" in done.stdout


@pytest.mark.parametrize("place", [0.0, 0.3, 0.7, 0.999])
def test_one_flipped_byte_of_the_model_is_noticed(root: Path, place: float):
    model = root / "model/model.onnx"
    flip(model, int(place * model.stat().st_size))
    done = run(root, "--self-test")
    assert done.returncode == 3
    assert "model/model.onnx is damaged: its sha256 is" in done.stderr
    assert done.stdout == ""


def test_damage_is_noticed_before_input_is_run_too(root: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.float32))
    flip(root / "model/model.onnx", 40)
    assert run(root, "--input", tmp_path / "x.npy").returncode == 3


def test_damage_of_the_manifest_itself_is_noticed(root: Path):
    text = (root / "manifest.json").read_text()
    (root / "manifest.json").write_text(text.replace('"name": "digits"', '"name": "digitz"', 1))
    done = run(root, "--self-test")
    assert done.returncode == 3
    assert "manifest.json is damaged: its sha256 is" in done.stderr
    (root / "manifest.json.sha256").unlink()
    assert run(root, "--self-test").returncode == 3


def test_running_it_leaves_nothing_behind(root: Path):
    before = sorted(root.rglob("*"))
    assert run(root, "--self-test").returncode == 0
    assert sorted(root.rglob("*")) == before


@pytest.mark.parametrize("name", ["golden/output-0.npy", "LICENSE", "requirements.txt", "run.py"])
def test_every_file_is_verified(root: Path, name: str):
    path = root / name
    path.write_bytes(path.read_bytes() + b"\n")
    done = run(root, "--self-test")
    assert done.returncode == 3
    assert f"{name} is damaged" in done.stderr
    if name != "run.py":
        path.unlink()
        assert f"{name} is missing" in run(root, "--self-test").stderr


def test_a_runtime_that_answers_differently_is_noticed(root: Path):
    golden = root / "golden/output-0.npy"
    array = np.load(golden)
    array[0, 0] += 0.11  # the tolerance is one step of 0.05
    np.save(golden, array)
    relist(root, "golden/output-0.npy")
    done = run(root, "--self-test")
    assert done.returncode == 3
    assert "is 0.11 from golden/output-0.npy; allowed 0.05" in done.stderr


def test_one_step_of_difference_is_allowed(root: Path):
    golden = root / "golden/output-0.npy"
    np.save(golden, np.load(golden) + np.float32(0.05))
    relist(root, "golden/output-0.npy")
    assert run(root, "--self-test").returncode == 0


def relist(root: Path, name: str) -> None:
    content = (root / name).read_bytes()

    def change(manifest: dict) -> None:
        (listed,) = (one for one in manifest["files"] if one["path"] == name)
        listed.update(sha256=hashlib.sha256(content).hexdigest(), size_bytes=len(content))

    edit(root, change)


@pytest.mark.parametrize(
    "change",
    [
        lambda manifest: manifest.pop("golden"),
        lambda manifest: manifest.update(files=[]),
        lambda manifest: manifest.update(files=[{"path": 3}]),
        lambda manifest: manifest["files"].append(
            {"path": "../../../etc/passwd", "sha256": "", "size_bytes": 0}
        ),
        lambda manifest: manifest["runtime"].update(name="caffe"),
        lambda manifest: manifest.update(inputs=[3]),
    ],
)
def test_a_manifest_that_makes_no_sense_ends_without_a_traceback(root: Path, change):
    edit(root, change)
    done = run(root, "--self-test")
    assert done.returncode == 3
    assert done.stderr.startswith("run.py: manifest.json")
    assert "Traceback" not in done.stderr


def test_input_is_run_and_printed_or_written(root: Path, tmp_path: Path):
    samples = np.asarray([[1, -1, 0.5, 3], [-2, 2, 0, 0.25]], np.float32)
    np.save(tmp_path / "x.npy", samples)
    expected = np.maximum(samples, 0)
    printed = run(root, "--input", tmp_path / "x.npy")
    assert printed.returncode == 0, printed.stderr
    # values are multiples of the step 0.05, so encoding and decoding cost float32 rounding only
    shown = json.loads(printed.stdout)["outputs"]["y"]
    np.testing.assert_allclose(shown, expected, atol=1e-6)
    assert run(root, "--input", tmp_path / "x.npy", "--output", tmp_path / "y.npz").returncode == 0
    with np.load(tmp_path / "y.npz") as written:
        np.testing.assert_allclose(written["arr_0"], expected, atol=1e-6)


def test_one_sample_needs_no_batch_axis(root: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.ones(4, np.float32))
    assert run(root, "--input", tmp_path / "x.npy").returncode == 0


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (np.zeros((1, 5), np.float32), "shape (1, 5); 'x' takes"),
        (np.zeros((0, 4), np.float32), "shape (0, 4)"),
        (np.asarray(["a"]), "not a .npy file of numbers"),
        (np.asarray([{"a": 1}], dtype=object), "not a .npy file of numbers"),
    ],
)
def test_input_that_does_not_fit_is_refused(root: Path, tmp_path: Path, content, told: str):
    np.save(tmp_path / "x.npy", content, allow_pickle=True)
    done = run(root, "--input", tmp_path / "x.npy")
    assert done.returncode == 2
    assert told in done.stderr
    assert "Traceback" not in done.stderr


def npy(array: np.ndarray) -> bytes:
    stream = io.BytesIO()
    np.save(stream, array)
    return stream.getvalue()


def npz() -> bytes:
    stream = io.BytesIO()
    np.savez(stream, np.zeros(100))
    return stream.getvalue()


@pytest.mark.parametrize(
    "content",
    [
        *(b"", b"abc", npz(), npz()[:300]),
        *(npy(np.zeros((1, 4)))[:length] for length in (20, 140)),
        npy(np.zeros((1, 4))).replace(b"(1, 4), }              ", b"(4000000000000, 4), }  "),
        npy(np.zeros((1, 4))).replace(b"(1, 4), }              ", b"(99999999999999999999,)}"[:23]),
        npy(np.zeros((1, 4))).replace(b"(1, 4), }", b"((((((((("),
    ],
    ids=["empty", "text", "npz", "cut npz", "cut header", "cut", "huge", "endless", "unclosed"],
)
def test_damaged_input_is_refused(root: Path, tmp_path: Path, content: bytes):
    (tmp_path / "x.npy").write_bytes(content)
    done = run(root, "--input", tmp_path / "x.npy")
    assert done.returncode == 2
    assert f"run.py: {tmp_path}/x.npy: not a .npy file of numbers" in done.stderr
    assert "Traceback" not in done.stderr


def test_an_output_that_can_not_be_written_is_told(root: Path, tmp_path: Path):
    np.save(tmp_path / "x.npy", np.zeros((1, 4), np.float32))
    place = tmp_path / "no" / "y.npz"
    done = run(root, "--input", tmp_path / "x.npy", "--output", place)
    assert done.returncode == 2
    assert done.stderr == f"run.py: --output {place}: can't be written: No such file or directory\n"


def test_a_missing_input_and_a_missing_argument_are_usage_errors(root: Path, tmp_path: Path):
    assert run(root, "--input", tmp_path / "no.npy").returncode == 2
    assert run(root).returncode == 2
    doubled = run(root, "--input", tmp_path / "no.npy", "--input", tmp_path / "no.npy")
    assert "2 inputs given; the model takes 1" in doubled.stderr


@pytest.mark.parametrize("name", ["package", "runtimes", "program"])
def test_it_is_written_for_python_3_9_and_imports_nothing_of_ours(name: str):
    source = (Path(shipped.__file__).parent / f"{name}.py").read_text()
    tree = ast.parse(source, feature_version=(3, 9))
    imported = {
        name.split(".")[0]
        for node in ast.walk(tree)
        if isinstance(node, ast.Import | ast.ImportFrom)
        for name in (
            [node.module or ""]
            if isinstance(node, ast.ImportFrom)
            else [a.name for a in node.names]
        )
    }
    assert imported.isdisjoint({"pipeline", "targets", "recipes", "torch", "pydantic"})


def test_the_installer_is_plain_sh(root: Path):
    subprocess.run(["sh", "-n", root / "install.sh"], check=True)
