from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from pipeline.package import ort_format as module
from pipeline.package.ort_canonical import canonical
from pipeline.package.ort_format import ort_format
from pipeline.package.ort_worker import uncommented
from targets.errors import ConversionError


@pytest.fixture(scope="module")
def converted(made):
    return ort_format(*made)


def test_the_file_is_in_onnx_runtimes_format(converted):
    assert converted.model[4:8] == b"ORTM"
    assert converted.worst <= 1


def test_its_operators_are_listed_and_nothing_of_this_machine(converted):
    told = converted.operators.decode()
    assert "ai.onnx;14;Relu" in told
    assert "#" not in told
    assert "/" not in told


def test_the_same_model_gives_the_same_bytes(converted, made, monkeypatch):
    monkeypatch.setenv("ANOTHER", "environment" * 100)
    assert ort_format(*made) == converted


def test_other_outputs_are_refused(made, monkeypatch):
    artifact, golden = made
    other = replace(golden, outputs=(golden.outputs[0] + 1,))
    monkeypatch.setattr(module, "_work", lambda model, folder: left_by_a_worker(folder, golden))
    with pytest.raises(ConversionError, match="times as far from the golden ones as is allowed"):
        ort_format(artifact, other)


def left_by_a_worker(folder: Path, golden) -> None:
    for name in ("model.ort", "operators.config"):
        (folder / name).write_bytes(b"")
    raw = np.rint(golden.outputs[0] / 0.05 - 3).astype(np.int8)
    np.savez(folder / "outputs.npz", raw)


def test_a_file_that_is_no_model_is_refused(made, tmp_path: Path):
    artifact, golden = made
    wrong = tmp_path / "model.onnx"
    wrong.write_bytes(b"no model")
    with pytest.raises(ConversionError, match=r"can't write it as \.ort: it ended with code 1"):
        ort_format(replace(artifact, path=wrong), golden)


def test_a_tool_that_hangs_is_ended(made, monkeypatch):
    monkeypatch.setattr(module, "TIMEOUT_S", 0.01)
    with pytest.raises(ConversionError, match=r"no \.ort file within"):
        ort_format(*made)


def test_what_is_no_ort_file_is_refused():
    with pytest.raises(ValueError, match=r"no \.ort file"):
        canonical(b"another file")


def test_comments_are_left_out():
    assert uncommented("# from /home\nai.onnx;13;Add\n") == "ai.onnx;13;Add\n"
