"""The analysis of a model behind a link: all of its files get there, and what was asked for."""

from pathlib import Path

from pipeline.diagnose.door import analyse


def test_weights_in_a_folder_travel_with_the_model(foreign: Path, device: object) -> None:
    found = analyse(foreign / "batch.onnx", device.profile)
    assert found.description is not None
    assert found.description.artifact.inputs[0].shape == (1, 3, 16, 16)
    assert {one.rule for one in found.findings} == {"external-data", "dynamic-batch"}


def test_stated_sizes_reach_the_device(foreign: Path, device: object) -> None:
    model = foreign / "batch.onnx"
    found = analyse(model, device.profile, {"x": (2, 3, 16, 16)})
    assert found.description is not None
    assert found.description.artifact.inputs[0].shape == (2, 3, 16, 16)
