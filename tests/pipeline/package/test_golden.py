import io

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.package.golden import Golden, grid_step, npy
from targets.artifact import Artifact, Quantization, TensorSpec
from targets.errors import UsageError


def artifact(spec: TensorSpec, tmp_path) -> Artifact:
    entrance = TensorSpec("x", (1, 3), "float32")
    return Artifact(tmp_path / "m.onnx", "onnx", "0" * 64, 1, (entrance,), (spec,))


def tolerance(outputs: np.ndarray, spec: TensorSpec, tmp_path, steps=()) -> float:
    golden = Golden((np.zeros((len(outputs), 3), np.float32),), (outputs,), steps)
    whole = artifact(spec, tmp_path)
    golden.check(whole)
    return golden.tolerances(whole)[0]


@given(st.floats(1e-4, 10), st.integers(-128, 127), st.integers(0, 2**32 - 1))
def test_the_step_of_decoded_int8_is_found(scale: float, zero_point: int, seed: int):
    integers = np.random.default_rng(seed).integers(-128, 128, 200)
    decoded = ((integers - zero_point) * np.float32(scale)).astype(np.float32)
    # 200 of 256 levels leave two neighbours: all gaps would be ≥2 with chance below 1e-40
    assert grid_step(decoded) == pytest.approx(scale, rel=1e-3)


@given(st.integers(0, 2**32 - 1))
def test_free_floats_lie_on_no_grid(seed: int):
    assert grid_step(np.random.default_rng(seed).normal(size=64).astype(np.float32)) is None


def test_a_quantized_output_may_differ_by_one_step(tmp_path):
    spec = TensorSpec("y", (1, 2), "int8", Quantization(0.25, 3))
    allowed = tolerance(np.ones((4, 2), np.float32), spec, tmp_path)
    assert 0.25 <= allowed < 0.2501


def test_a_float_output_may_differ_by_a_thousandth(tmp_path):
    spec = TensorSpec("y", (1, 2), "float32")
    free = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    assert tolerance(free / 10, spec, tmp_path) == pytest.approx(1e-3, rel=0.02)
    largest = float(np.abs(free).max() * 100)
    assert tolerance(free * 100, spec, tmp_path) == pytest.approx(1e-3 * largest, rel=0.02)


def test_a_known_step_counts_for_a_float_output(tmp_path):
    spec = TensorSpec("y", (1, 2), "float32")
    free = np.random.default_rng(0).normal(size=(8, 2)).astype(np.float32)
    assert tolerance(free, spec, tmp_path, (0.5,)) == pytest.approx(0.5, rel=1e-3)


@pytest.mark.parametrize(
    ("inputs", "outputs", "told"),
    [
        ((np.zeros((2, 4)),), (np.zeros((2, 2)),), r"input 'x' has shape \(2, 4\)"),
        ((np.zeros((2, 3)),), (np.zeros((3, 2)),), "different numbers of samples"),
        ((np.zeros((0, 3)),), (np.zeros((0, 2)),), "N at least 1"),
        ((), (np.zeros((2, 2)),), "0 inputs; the model has 1"),
        ((np.zeros((2, 3)),), (np.full((2, 2), np.nan),), "not all finite"),
        ((np.full((2, 3), None),), (np.zeros((2, 2)),), "not all finite"),
    ],
)
def test_vectors_that_do_not_fit_are_refused(inputs, outputs, told, tmp_path):
    whole = artifact(TensorSpec("y", (1, 2), "float32"), tmp_path)
    with pytest.raises(UsageError, match=told):
        Golden(inputs, outputs).check(whole)


def test_a_npy_file_is_little_endian_and_readable():
    array = np.arange(6, dtype=">f4").reshape(2, 3)[:, ::-1]
    content = npy(array)
    assert content == npy(np.ascontiguousarray(array, dtype="<f4"))
    read = np.load(io.BytesIO(content), allow_pickle=False)
    np.testing.assert_array_equal(read, array)
