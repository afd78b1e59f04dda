"""Nets of one operator, and what tflite-micro is given of them."""

import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from ai_edge_litert.schema_py_generated import TensorType

from pipeline.package.golden import Golden
from targets.artifact import Artifact, digest
from targets.tflite.session import Session

pytest.importorskip("tflite_micro", reason="no tflite-micro; pip install 'edgesmith[mcu]'")

Made = tuple[Artifact, Golden]


def made(path: Path, given: tuple[np.ndarray, ...] = ()) -> Made:
    """The file's artifact, with golden vectors from LiteRT for inputs given or drawn."""
    session = Session(str(path))
    session.prepare()
    sha256, size_bytes = digest([path])
    artifact = Artifact(path, "tflite", sha256, size_bytes, session.inputs, session.outputs)
    draw = np.random.default_rng(0)
    drawn = [draw.normal(size=(8, *one.shape[1:])) for one in artifact.inputs]
    inputs = given or tuple(each.astype(np.float32) for each in drawn)
    rows = [session.run([each[at : at + 1] for each in inputs]) for at in range(len(inputs[0]))]
    outputs = tuple(np.concatenate([row[i] for row in rows]) for i in range(len(rows[0])))
    return artifact, Golden(inputs, outputs)


@pytest.fixture(scope="session")
def relu(tmp_path_factory: pytest.TempPathFactory, writing) -> Made:
    """An int8 ReLU."""
    return made(writing(tmp_path_factory.mktemp("relu") / "model.tflite"))


@pytest.fixture(scope="session")
def float_relu(tmp_path_factory: pytest.TempPathFactory, writing) -> Made:
    """The same of floats."""
    path = tmp_path_factory.mktemp("float") / "model.tflite"
    return made(writing(path, kind=TensorType.FLOAT32))


@pytest.fixture(scope="session")
def described() -> Callable[..., Made]:
    """A file's artifact and golden vectors, for inputs given or drawn."""
    return made


TRY = """
import sys
import numpy as np
from tflite_micro.python.tflite_micro import runtime

model, arena_bytes, inputs, outputs = sys.argv[1:]
with open(model, "rb") as file:
    content = file.read()
session = runtime.Interpreter.from_bytes(content, arena_size=int(arena_bytes))
made = []
for row in np.load(inputs):
    session.set_input(row[np.newaxis], 0)
    session.invoke()
    made.append(np.array(session.get_output(0)))
np.save(outputs, np.concatenate(made))
"""


@pytest.fixture
def outputs_in(tmp_path: Path) -> Callable[[Path, int, np.ndarray], np.ndarray | None]:
    """The raw outputs of a model of one input and output in an arena of so many bytes, in a process
    of its own; None where it does not run."""

    def run(path: Path, arena_bytes: int, raw: np.ndarray) -> np.ndarray | None:
        np.save(tmp_path / "in.npy", raw)
        places = (path, arena_bytes, tmp_path / "in.npy", tmp_path / "out.npy")
        command = [sys.executable, "-c", TRY, *map(str, places)]
        done = subprocess.run(command, capture_output=True, check=False)
        return None if done.returncode else np.load(tmp_path / "out.npy")

    return run


@pytest.fixture
def runs_in(outputs_in) -> Callable[[Artifact, int], bool]:
    """Whether an artifact runs in an arena of so many bytes."""

    def runs(artifact: Artifact, arena_bytes: int) -> bool:
        (spec,) = artifact.inputs
        return outputs_in(artifact.path, arena_bytes, np.zeros(spec.shape, spec.dtype)) is not None

    return runs
