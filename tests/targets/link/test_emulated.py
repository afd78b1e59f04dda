"""The emulated device: both runtimes give there what they give on this machine."""

import os
from pathlib import Path

import numpy as np
import pytest

from targets.device import load
from targets.errors import EnvironmentFault
from targets.target import find

DATA = Path(os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share")
FLOAT_TOLERANCE = 1e-5  # of values near 1: sums of a few hundred products in another order


def test_an_emulated_device_that_is_not_set_up_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_DATA_HOME", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="run scripts/emulate-aarch64"):
        find(load("emulated-aarch64"), "tflite")


@pytest.mark.slow
@pytest.mark.parametrize(
    ("runtime", "name"), [("tflite", "net.tflite"), ("onnxruntime", "net.onnx")]
)
def test_a_model_gives_there_what_it_gives_here(models: Path, runtime: str, name: str) -> None:
    if not (DATA / "edgesmith" / "emulated-aarch64" / "python").exists():
        pytest.skip("no emulated device; run scripts/emulate-aarch64")
    here, there = find(load("host"), runtime), find(load("emulated-aarch64"), runtime)
    assert there.provenance == "emulated"
    assert there.identify()[0]["arch"] == "aarch64"
    artifact = here.describe(models / name).artifact
    generator = np.random.default_rng(0)
    inputs = [generator.standard_normal((4, *spec.shape[1:])).astype(np.float32)
              for spec in artifact.inputs]  # fmt: skip
    for expected, found in zip(
        here.infer(artifact, inputs), there.infer(artifact, inputs), strict=True
    ):
        np.testing.assert_allclose(found, expected, atol=FLOAT_TOLERANCE)
