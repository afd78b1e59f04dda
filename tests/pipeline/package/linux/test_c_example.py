"""The C example, compiled against stubs of the headers and run with the libraries in the wheels."""

import re
import shutil
import subprocess
from importlib.util import find_spec
from pathlib import Path

import numpy as np
import pytest

from pipeline.package.golden import npy
from pipeline.package.linux.c_example import ONNX_TYPES, c_string

STUBS = Path(__file__).parent / "stubs"
STRICT = ("-std=c11", "-Wall", "-Wextra", "-Werror", "-O1")
LIBRARIES = {
    "onnxruntime": ("onnxruntime", "capi/libonnxruntime.so.*"),
    "openvino": ("openvino", "libs/libopenvino_c.so.*"),
    "tflite": ("ai_edge_litert", "libLiteRt.so"),
}


@pytest.fixture
def compiler() -> str:
    found = shutil.which("gcc")
    if found is None:
        pytest.skip("no gcc; apt-get install gcc")
    return found


def library(runtime: str, folder: Path) -> Path:
    """The library in the runtime's wheel, by the name that programs look for at run time."""
    name, pattern = LIBRARIES[runtime]
    (home,) = find_spec(name).submodule_search_locations
    (found,) = Path(home).glob(pattern)
    if runtime != "onnxruntime":
        return found
    (folder / "libonnxruntime.so.1").symlink_to(found)
    return folder / "libonnxruntime.so.1"


def program(compiler: str, root: Path, runtime: str, folder: Path) -> Path:
    linked = library(runtime, folder)
    made = folder / "example"
    command = [compiler, *STRICT, "-I", STUBS, "-o", made, root / "examples/example.c", linked]
    command += [f"-Wl,-rpath,{linked.parent}", "-lm"]
    done = subprocess.run(list(map(str, command)), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


def run(made: Path, root: Path) -> subprocess.CompletedProcess:
    return subprocess.run([made], cwd=root, capture_output=True, text=True, check=False, timeout=60)


def test_it_compiles_and_its_outputs_are_the_golden_ones(
    any_made, deliver, unpacked, compiler, tmp_path: Path
):
    artifact, golden = any_made
    root = unpacked(deliver(any_made))
    made = program(compiler, root, artifact.runtime, tmp_path)
    done = run(made, root)
    assert done.returncode == 0, done.stderr
    numbers = [float(one) for one in done.stdout.splitlines()[0].split()]
    np.testing.assert_allclose(numbers, golden.outputs[0][0], rtol=1e-4, atol=1e-6)
    wrong = golden.outputs[0] + 0.3  # more than six steps of the quantized models
    (root / "golden/output-0.npy").write_bytes(npy(wrong))
    assert run(made, root).returncode == 3
    (root / "golden/input-0.npy").write_bytes(b"no array")
    assert "not a .npy file" in run(made, root).stderr
    (root / "golden/input-0.npy").unlink()
    assert "run it in the package's folder" in run(made, root).stderr


@pytest.mark.parametrize(
    ("text", "literal"),
    [
        ("x:0", '"x:0"'),
        ('a"b\\c', '"a\\042b\\134c"'),
        ("\n%s??/", '"\\012\\045s\\077\\077/"'),
        ("é", '"\\303\\251"'),
    ],
)
def test_a_name_acts_as_nothing_in_a_literal(text: str, literal: str):
    assert c_string(text) == literal


def test_every_type_that_a_tensor_may_have_is_named():
    assert set(ONNX_TYPES) >= {"float32", "float64", "int8", "uint8", "int32", "int64", "bool"}
    assert all(re.fullmatch("[A-Z0-9]+", one) for one in ONNX_TYPES.values())
