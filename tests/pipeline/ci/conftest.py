"""A finished run's folder with one artifact, a new model beside it, and times that are written."""

from dataclasses import dataclass, replace
from pathlib import Path

import onnx
import pytest
from onnx import TensorProto, helper

from pipeline.report import storage
from pipeline.report.document import ArtifactFacts, MeasurementSummary, Report, Row
from targets import target as targets
from targets.artifact import digest
from targets.measurement import Measurement, MemoryPhases, ProcessSamples

STEADY = ProcessSamples((1_000_000,) * 100, 5, 5, 100, 100, 30)


def write_model(path: Path, constant: float, size: int = 4) -> None:
    """An .onnx that adds a constant to (1, size) numbers."""
    ports = [helper.make_tensor_value_info(name, TensorProto.FLOAT, [1, size]) for name in "xy"]
    added = helper.make_tensor("c", TensorProto.FLOAT, [1], [constant])
    node = helper.make_node("Add", ["x", "c"], ["y"])
    graph = helper.make_graph([node], "g", ports[:1], ports[1:], [added])
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    path.parent.mkdir(parents=True, exist_ok=True)
    onnx.save(model, path)


@dataclass
class Finished:
    """A run with one artifact for ONNX Runtime."""

    folder: Path

    @property
    def artifact(self) -> Path:
        return self.folder / "artifacts" / "onnxruntime" / "old.onnx"

    def write(self, *, path: str = "artifacts/onnxruntime/old.onnx", **changes: object) -> Path:
        """Writes report.json, perhaps with other facts."""
        sha256, size_bytes = digest([self.artifact]) if self.artifact.exists() else ("a" * 64, 9)
        facts = ArtifactFacts(path=path, format="onnx", sha256=sha256, size_bytes=size_bytes)
        nothing = Measurement(sha256, "onnxruntime", (), (), "measured-on-device").summary()
        row = Row(
            name="final", runtime="onnxruntime", artifact=facts, selected=True,
            measurement=MeasurementSummary.model_validate(nothing),
        )  # fmt: skip
        asked = {"recipe": "tiny", "device": "host", "verdict": "PASS", **changes}
        report = Report.model_validate({"baseline": (), "candidates": (row,), **asked})
        return storage.write(report, {}, self.folder)


@pytest.fixture
def run(tmp_path: Path) -> Finished:
    """The run, and beside its folder new.onnx."""
    found = Finished(tmp_path / "run")
    write_model(found.artifact, 1.0)
    write_model(tmp_path / "new.onnx", 2.0)
    found.write()
    return found


@pytest.fixture
def times(monkeypatch):
    """Sets how many ms each file takes, by its name; counts the processes."""
    taken: list[str] = []

    def write(**ms):
        def sample(self, artifact, rule, seed=0):
            taken.append(artifact.path.stem)
            return replace(STEADY, latency_ns=(int(ms[artifact.path.stem] * 1e6),) * 100)

        monkeypatch.setattr(targets.Target, "sample", sample)
        monkeypatch.setattr(
            targets.Target, "memory", lambda *_, **__: MemoryPhases(0, 20, 30, 3_000_000)
        )
        return taken

    return write


@pytest.fixture(name="write_model")
def _write_model():
    return write_model
