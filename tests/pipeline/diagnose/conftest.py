"""Models that were not made here, and cases made by hand."""

import os
import subprocess
import sys
from collections.abc import Callable, Sequence
from pathlib import Path

import pytest

from pipeline.diagnose.case import Case
from targets.artifact import Artifact, TensorSpec
from targets.device import DeviceProfile
from targets.measurement import ExecutedOp
from targets.target import Description
from targets.workload import Operator, Tensor, Workload

ROOT = Path(__file__).parents[3]
MAKER = Path(__file__).with_name("make_foreign.py")
DEVICE = DeviceProfile(name="board", arch="x86_64", runtimes=("tflite", "openvino", "onnxruntime"))


@pytest.fixture(scope="session")
def foreign(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The folder of the models that make_foreign.py makes."""
    folder = tmp_path_factory.mktemp("foreign")
    subprocess.run(
        [sys.executable, str(MAKER), str(folder)],
        check=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
        capture_output=True,
        timeout=600,
    )
    return folder


@pytest.fixture(scope="session")
def case() -> Callable[..., Case]:
    """Makes a case of a file name, and of what is given."""

    def make(
        name: str,
        operators: Sequence[Operator] = (),
        shapes: dict[str, tuple[int, ...]] | None = None,
        executed: Sequence[ExecutedOp] | None = None,
        *,
        inputs: Sequence[str] = ("x",),
        constants: Sequence[str] = (),
        dtypes: dict[str, str] | None = None,
        io: str = "float32",
        version: str = "a runtime 1.0",
        **more: object,
    ) -> Case:
        keys = {key for one in operators for key in (*one.inputs, *one.outputs)} | set(inputs)
        tensors = {
            key: Tensor(
                1000,
                key in constants,
                shape=(shapes or {}).get(key),
                dtype=(dtypes or {}).get(key, "float32"),
            )
            for key in keys
        }
        opsets = more.pop("opsets", {})
        work = Workload(tensors, tuple(operators), tuple(inputs), ("y",), opsets)
        path = Path(name)
        spec = TensorSpec("x", (1, 3, 8, 8), io)
        formats = {".tflite": "tflite", ".onnx": "onnx", ".xml": "openvino"}
        artifact = Artifact(path, formats[path.suffix], "a" * 64, 1000, (spec,), (spec,))
        described = None if executed is None else Description(artifact, tuple(executed), version)
        return Case(path, **{"profile": DEVICE, "work": work, "description": described, **more})

    return make
