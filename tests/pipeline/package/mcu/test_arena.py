import sys
from pathlib import Path

import ai_edge_litert.schema_py_generated as schema
import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.package.mcu import arena
from pipeline.package.mcu.arena import interpreted
from pipeline.package.mcu.interpreting import least_that
from targets.artifact import Artifact
from targets.errors import ArtifactError, ConversionError, EnvironmentFault


@given(st.integers(1, 5000), st.integers(0, 5000))
def test_bisection_finds_the_least(least: int, more: int):
    assert least_that(lambda number: number >= least, least + more) == least


def test_the_arena_is_the_least_that_works(relu, runs_in):
    seen = interpreted(*relu)
    assert runs_in(relu[0], seen.least_bytes)
    assert not runs_in(relu[0], seen.least_bytes - 1)


def test_the_margin_is_kept_in_whole_alignments(relu):
    seen = interpreted(*relu)
    assert seen.recommended_bytes % 16 == 0
    assert 1.2 * seen.least_bytes <= seen.recommended_bytes < 1.2 * seen.least_bytes + 16


def test_its_outputs_are_the_golden_ones(relu):
    artifact, golden = relu
    seen = interpreted(artifact, golden)
    np.testing.assert_array_equal(artifact.outputs[0].decode(seen.outputs[0]), golden.outputs[0])
    assert seen.file.operators == ("RELU",)
    assert (seen.file.inputs, seen.file.outputs) == (("INT8",), ("INT8",))
    assert seen.commit in seen.version


def other(artifact: Artifact, path: Path) -> Artifact:
    return Artifact(path, "tflite", "", 0, artifact.inputs, artifact.outputs)


def test_an_operator_that_tflite_micro_lacks_is_named(relu, writing, tmp_path: Path):
    artifact, golden = relu
    path = writing(tmp_path / "m.tflite", operator=schema.BuiltinOperator.RELU_N1_TO_1)
    with pytest.raises(ConversionError, match=r"RELU_N1_TO_1.*change the operator"):
        interpreted(other(artifact, path), golden)


@pytest.mark.parametrize("content", [b"", b"no model", bytes(64), b"\x1c\0\0\0TFL3" + bytes(9)])
def test_a_file_that_is_no_model_is_refused(relu, content: bytes, tmp_path: Path):
    artifact, golden = relu
    path = tmp_path / "m.tflite"
    path.write_bytes(content)
    with pytest.raises(ArtifactError, match=r"can't be read as a \.tflite model"):
        interpreted(other(artifact, path), golden)


def test_a_truncated_model_is_refused(relu, tmp_path: Path):
    artifact, golden = relu
    path = tmp_path / "m.tflite"
    whole = artifact.path.read_bytes()
    for size in range(8, len(whole), 24):
        path.write_bytes(whole[:size])
        with pytest.raises((ArtifactError, ConversionError), match=r"m\.tflite"):
            interpreted(other(artifact, path), golden)


def test_an_answer_that_does_not_come_is_not_awaited(relu):
    with pytest.raises(ConversionError, match=r"no answer within 0.01 s"):
        interpreted(*relu, timeout_s=0.01)


def test_tflite_micro_missing_is_told_with_its_cure(relu, tmp_path: Path, monkeypatch):
    for name in ("pipeline", "targets"):
        (tmp_path / name).symlink_to(Path(sys.modules[name].__file__ or "").parent)
    (tmp_path / "tflite_micro").mkdir()
    (tmp_path / "tflite_micro/__init__.py").write_text("raise ImportError('it is not here')\n")
    monkeypatch.setattr(arena, "_CODE", tmp_path)
    with pytest.raises(EnvironmentFault, match=r"it is not here; .*edgesmith\[mcu\]"):
        interpreted(*relu)
