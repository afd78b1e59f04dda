"""What is seen of an artifact, and that an unfaithful one is refused with its first false layer."""

from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
import torch

from pipeline import evidence, raw_outputs
from pipeline.evaluate import Accuracy
from pipeline.evidence import Least
from pipeline.quantize.layers import Layer as Kept
from pipeline.quantize.layers import Layers as AllKept
from pipeline.stages import Exported
from pipeline.workspace import Workspace
from targets.artifact import Artifact, digest
from targets.errors import ConversionError
from targets.layers import Layer, Layers
from targets.measurement import ExecutedOp
from targets.target import Description

DRAW = np.random.default_rng(0)
REFERENCE = DRAW.normal(size=(40, 4)).astype(np.float32)
INTEGERS = DRAW.integers(-128, 128, (2, 3, 4)).astype(np.int8)


class First(Accuracy):
    """Accuracy of the first of several outputs."""

    def update(self, outputs: object, target: object) -> None:
        super().update(outputs[0], target)


class Signs(Accuracy):
    """Accuracy of a score that is above 0 for the one class, below for the other."""

    def update(self, outputs: torch.Tensor, target: torch.Tensor) -> None:
        scores = outputs.reshape(-1, 1)
        super().update(torch.cat([-scores, scores], 1), target % 2)


class Target:
    """Gives these outputs, whatever it is asked for; its second layer is off by a tenth."""

    def __init__(self, outputs: list[np.ndarray], dtype: str) -> None:
        self.outputs, self.dtype = outputs, dtype

    def describe(self, path: Path) -> Description:
        artifact = Artifact(path, "onnx", *digest([path]), (), ())
        return Description(artifact, (ExecutedOp("c", "QLinearConv", self.dtype),), "1")

    def infer(self, artifact: Artifact, inputs: list[np.ndarray]) -> list[np.ndarray]:
        return self.outputs

    def layers(self, artifact: Artifact, inputs: tuple[np.ndarray, ...]) -> Layers:
        values = INTEGERS.astype(np.float32)
        found = (Layer("one", 0.5, 0, values * 0.5), Layer("two", 0.25, 0, values * 0.25 * 0.9))
        return Layers(found, same_outputs=True)


@pytest.fixture
def seen(tmp_path: Path):
    """What is seen of outputs, where torch's are REFERENCE."""
    step = tmp_path / "export"
    step.mkdir()
    np.save(step / "reference.npy", REFERENCE)
    AllKept(
        (INTEGERS.astype(np.float32),), (Kept("a", 0.5, 0, INTEGERS), Kept("b", 0.25, 0, INTEGERS))
    ).save(step)
    exported = Exported(step, {"onnxruntime": step / "model.onnx"}, {})
    labels = torch.from_numpy(REFERENCE.argmax(1))
    task = SimpleNamespace(
        identity=lambda: "task",
        metrics=lambda: [Accuracy()],
        batches=lambda split: iter([((torch.zeros(len(labels), 3),), labels)]),
    )

    def see(
        *outputs: np.ndarray, dtype: str = "uint8", metric: Accuracy | None = None, **least: float
    ):
        (step / "model.onnx").write_bytes(b"".join(one.tobytes() for one in outputs))
        if metric is not None:
            task.metrics = lambda: [metric]
        if len(outputs) > 1:
            raw_outputs.save((REFERENCE, REFERENCE[:, :1]), step, "reference")
            task.metrics = lambda: [First()]
        with Workspace.open(tmp_path / "run", "recipe") as workspace:
            desk = SimpleNamespace(
                targets={"onnxruntime": Target([one.astype(np.float32) for one in outputs], dtype)},
                workspace=workspace,
                task=task,
                device=SimpleNamespace(name="host"),
                console=SimpleNamespace(progress=lambda *_: None),
            )
            wanted = Least(**{"agreement": 0.99, "sqnr_db": 30.0, **least})
            return evidence.see(desk, "onnxruntime", exported, wanted)

    return see


def test_a_faithful_artifact_is_scored(seen) -> None:
    found = seen(REFERENCE + 1e-3)
    assert found.agreement == 1.0
    assert found.sqnr_db == pytest.approx(60, abs=1)  # a thousandth of a deviation of 1
    assert found.scores.metrics["accuracy"] == 1.0


def test_noise_is_refused_and_its_layer_named(seen) -> None:
    with pytest.raises(ConversionError, match=r"SQNR of 19\.\d dB .*first at 'b' \(20\.0 dB\)"):
        seen(REFERENCE * 1.11)


def test_a_draft_may_be_noisier(seen) -> None:
    assert seen(REFERENCE * 1.11, sqnr_db=15.0).sqnr_db < 20


def test_other_decisions_are_refused(seen) -> None:
    with pytest.raises(ConversionError, match=r"agrees on 0\.0% \(needed 99%\)"):
        seen(np.roll(REFERENCE, 1, axis=1))


def test_what_runs_in_float_is_no_int8(seen) -> None:
    with pytest.raises(ConversionError, match="executes no int8 operator"):
        seen(REFERENCE, dtype="float32")


def test_a_second_output_that_is_broken_is_refused(seen) -> None:
    second = REFERENCE[:, :1]
    assert seen(REFERENCE, second).sqnr_db == float("inf")
    with pytest.raises(ConversionError, match=r"SQNR of 0\.0 dB .*\(output 2 of 2\)"):
        seen(REFERENCE, second * 0)


def test_outputs_of_other_shapes_are_the_converters_fault(seen) -> None:
    with pytest.raises(ConversionError, match=r"equal shapes .*its converter changed the model"):
        seen(REFERENCE, REFERENCE)


@pytest.mark.parametrize("shape", [(40,), (40, 1)])
def test_one_value_for_a_sample_has_no_top(seen, tmp_path, shape) -> None:
    """An accuracy of two classes, whose output is a score of the one."""
    values = REFERENCE[:, 0].reshape(shape)
    np.save(tmp_path / "export" / "reference.npy", values)
    found = seen(values, metric=Signs())
    assert (found.agreement, found.sqnr_db) == (None, float("inf"))
    assert found.scores.per_class_of == "accuracy"
