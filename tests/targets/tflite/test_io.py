"""An int8 file with float32 inputs and outputs computes what the int8 one does."""

from pathlib import Path

import numpy as np

from targets import device
from targets.target import find
from targets.tflite.io import with_float_io


def test_the_same_integers_behind_other_ends(models: Path, tmp_path: Path) -> None:
    whole = (models / "int8.tflite").read_bytes()
    (tmp_path / "float.tflite").write_bytes(with_float_io(whole))
    target = find(device.load("host"), "tflite")
    before = target.describe(models / "int8.tflite")
    after = target.describe(tmp_path / "float.tflite")
    assert [spec.dtype for spec in before.artifact.inputs] == ["int8"]
    for spec, old in zip(
        (*after.artifact.inputs, *after.artifact.outputs),
        (*before.artifact.inputs, *before.artifact.outputs),
        strict=True,
    ):
        assert (spec.name, spec.shape, spec.dtype) == (old.name, old.shape, "float32")
        assert spec.quantization is None
    execution = after.execution
    assert (execution.int8_macs_share, execution.conversions, execution.partitions) == (1.0, 2, 1)
    inputs = [np.load(models / "reference.npz", allow_pickle=False)["inputs"]]
    (expected,), (found,) = (target.infer(one.artifact, inputs) for one in (before, after))
    # Both round an input half a step from two integers; some kernels to even, some away.
    assert np.mean(found != expected) < 0.02


def test_the_bytes_are_the_same_each_time(models: Path) -> None:
    whole = (models / "int8.tflite").read_bytes()
    once = with_float_io(whole)
    assert once == with_float_io(whole)
    assert with_float_io(once) == once
