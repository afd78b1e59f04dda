"""What a file declares, read in another process: the same for all formats; refusals are told."""

import os
from pathlib import Path

import pytest

from targets.artifact import SUFFIX_OF_FORMAT
from targets.errors import ArtifactError
from targets.reading import read

SUFFIXES = pytest.mark.parametrize("suffix", SUFFIX_OF_FORMAT.values())
CONVOLUTIONS = ("CONV_2D", "DEPTHWISE_CONV_2D", "Conv", "Convolution", "GroupConvolution")
MACS = 8 * 64 * 27 + 8 * 64 * 9 + 8 * 5
"""As in the contract suite: the same net."""


@SUFFIXES
def test_a_graph_with_its_shapes_types_and_names(models: Path, suffix: str) -> None:
    work = read(models / f"net{suffix}")
    assert work.macs == MACS
    (entered,) = (work.tensors[key] for key in work.inputs)
    assert (entered.shape, entered.dtype, entered.constant) == ((1, 3, 16, 16), "float32", False)
    (left,) = (work.tensors[key] for key in work.outputs)
    assert (left.shape, left.dtype) == ((1, 5), "float32")
    convolutions = [one for one in work.operators if one.type in CONVOLUTIONS]
    assert len(convolutions) == 2
    assert all(one.name and not one.domain for one in convolutions)
    assert all(work.tensors[one.inputs[1]].dtype == "float32" for one in convolutions)


@SUFFIXES
def test_open_sizes_are_minus_one(models: Path, suffix: str) -> None:
    (key,) = (work := read(models / f"sizes{suffix}")).inputs
    shape = work.tensors[key].shape
    assert shape is not None
    assert shape[0] == shape[-1] == -1


def test_8_bit_tensors_and_transposes_of_tflite(models: Path) -> None:
    work = read(models / "int8.tflite")
    assert {work.tensors[key].dtype for key in (*work.inputs, *work.outputs)} == {"int8"}
    turned = [one.permutation for one in work.operators if one.type == "TRANSPOSE"]
    assert (0, 2, 3, 1) in turned


def test_versions_and_missing_kernels_of_onnx(models: Path) -> None:
    assert read(models / "batch.onnx").opsets[""] == 18
    assert read(models / "batch.onnx").missing == ()
    assert read(models / "batch.onnx").ir_version == 10
    assert read(models / "unknown.onnx").missing == ("elsewhere.Nowhere",)


def test_custom_operators_of_tflite(models: Path) -> None:
    foreign = [one.type for one in read(models / "unknown.tflite").operators if one.domain]
    assert set(foreign) == {"Nowhere"}


@SUFFIXES
@pytest.mark.parametrize("content", [b"no model", bytes(64)], ids=["text", "zeros"])
def test_what_is_no_model(tmp_path: Path, suffix: str, content: bytes) -> None:
    file = tmp_path / f"model{suffix}"
    file.write_bytes(content)
    with pytest.raises(ArtifactError, match="operators can't be read") as caught:
        read(file)
    assert "\n" not in str(caught.value)


def test_a_reader_that_takes_too_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("targets.reading._LEAST_S", 0.01)
    (tmp_path / "model.onnx").write_bytes(os.urandom(8))
    with pytest.raises(ArtifactError, match="no answer in"):
        read(tmp_path / "model.onnx")
