"""The C++ that is generated, compiled and run against stubs of tflite-micro's API."""

import shutil
import subprocess
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.package.mcu import source as writing
from pipeline.package.mcu.arena import interpreted
from pipeline.package.mcu.source import sources

STUBS = Path(__file__).parent / "stubs"
STRICT = ("-std=c++17", "-Wall", "-Wextra", "-Werror", "-fno-exceptions", "-fno-rtti")
DUMP = """
#include <cstdio>
#include <initializer_list>
#include "model.h"
using namespace {space};
int main() {{
  for (float real : {{-100.0f, -0.074f, 0.025f, 0.075f, 1.0f, 100.0f}})
    std::fprintf(stderr, "%d ", Quantize(real, kInputScale, kInputZeroPoint));
  std::fwrite(kModel, 1, kModelBytes, stdout);
}}
"""


@pytest.fixture
def compiler() -> str:
    found = shutil.which("g++")
    if found is None:
        pytest.skip("no g++; apt-get install g++")
    return found


def unpacked(files: dict[str, bytes], folder: Path) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(exist_ok=True)
        (folder / name).write_bytes(content)
    return folder / "src"


def program(compiler: str, source: Path, *names: str) -> Path:
    files = [str(source / name) for name in names]
    made = source / "program"
    command = [compiler, *STRICT, "-I", str(STUBS), *files, "-o", str(made)]
    done = subprocess.run(command, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    return made


@pytest.fixture(scope="module")
def files(relu, deliver) -> dict[str, bytes]:
    return sources(deliver(relu), interpreted(*relu))


def test_the_self_test_compiles_and_passes(files, compiler, tmp_path: Path):
    source = unpacked(files, tmp_path)
    done = subprocess.run(
        program(compiler, source, "self_test.cc", "model.cc", "golden.cc"),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout
    assert done.stdout.endswith("self-test passed: 8 golden samples\n")


def test_the_self_test_fails_where_a_device_computes_something_else(files, compiler, tmp_path):
    source = unpacked(files, tmp_path)
    golden = source / "golden.cc"
    start, _, numbers = golden.read_text().rpartition("kOutputGolden")
    golden.write_text(f"{start}kOutputGolden{numbers.replace('-3,', '-5,', 1)}")
    made = program(compiler, source, "self_test.cc", "model.cc", "golden.cc")
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    assert done.returncode == 1
    assert "output of golden sample" in done.stdout
    assert "self-test FAILED" in done.stdout


def test_the_source_holds_the_model_and_rounds_as_the_desk_does(files, relu, compiler, tmp_path):
    artifact, _ = relu
    source = unpacked(files, tmp_path)
    (source / "dump.cc").write_text(DUMP.format(space="digits_model"))
    done = subprocess.run(
        program(compiler, source, "dump.cc", "model.cc"), capture_output=True, check=True
    )
    assert done.stdout == artifact.path.read_bytes()
    reals = np.asarray([-100, -0.074, 0.025, 0.075, 1, 100], np.float32)
    expected = artifact.inputs[0].encode(reals)
    assert [int(one) for one in done.stderr.split()] == expected.tolist()


def test_float_ends_are_written_as_floats(float_relu, deliver, compiler, tmp_path: Path):
    files = sources(deliver(float_relu), interpreted(*float_relu))
    source = unpacked(files, tmp_path)
    command = [compiler, *STRICT, "-I", str(STUBS), "-fsyntax-only"]
    for name in ("self_test.cc", "golden.cc"):
        subprocess.run([*command, str(source / name)], check=True)
    assert b"const float kInputGolden" in files["src/golden.h"]
    assert b"Scale" not in files["src/model.h"].partition(b"The int8")[0]


@pytest.mark.parametrize(
    ("entered", "left"),
    [("mask", "mask"), ("samples", "golden"), ("golden", "index"), ("x", "xGolden")],
)
def test_no_constant_is_defined_twice(entered, left, relu, deliver, compiler, tmp_path: Path):
    delivery = deliver(relu)
    (entry,), (exit_,) = delivery.interface.inputs, delivery.interface.outputs
    renamed = {
        "inputs": (entry.model_copy(update={"field": entered}),),
        "outputs": (exit_.model_copy(update={"field": left}),),
    }
    delivery = deliver(relu, interface=delivery.interface.model_copy(update=renamed))
    source = unpacked(sources(delivery, interpreted(*relu)), tmp_path)
    made = program(compiler, source, "self_test.cc", "model.cc", "golden.cc")
    done = subprocess.run(made, capture_output=True, text=True, check=False)
    assert done.stdout.endswith("self-test passed: 8 golden samples\n")


def test_golden_vectors_do_not_fill_the_flash(relu, deliver, monkeypatch):
    monkeypatch.setattr(writing, "GOLDEN_BYTES", 25)
    assert b"kGoldenSamples = 3;" in sources(deliver(relu), interpreted(*relu))["src/golden.h"]


def test_no_name_of_the_file_gets_out_of_a_comment(relu, deliver):
    seen = interpreted(*relu)
    file = replace(seen.file, operators=("RELU", "CUSTOM a\\\nint main() {}"))
    text = sources(deliver(relu), replace(seen, file=file))["src/operators.h"].decode()
    assert "no method for CUSTOM a??int main?? ??." in text
