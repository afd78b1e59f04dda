"""An artifact's tensors beside the quantized torch graph's."""

import math

import numpy as np
import pytest

from pipeline.fidelity import compare, first_below, sqnr_db, worst_sqnr_db
from pipeline.quantize.layers import Layer as Reference
from targets.layers import Layer

DRAW = np.random.default_rng(0)


def reference(tensor: str, scale: float, zero_point: int = 0, shape=(4, 3, 5, 7)) -> Reference:
    integers = DRAW.integers(-128, 128, shape).astype(np.int8)
    return Reference(tensor, scale, zero_point, integers)


def test_sqnr_is_a_ratio_of_powers() -> None:
    values = np.array([3.0, 4.0])
    assert sqnr_db(values, values + np.array([0.5, 0.0])) == pytest.approx(20.0)  # 25 / 0.25
    assert sqnr_db(values, values) == math.inf
    assert sqnr_db(np.zeros(2), values) == -math.inf
    with pytest.raises(ValueError, match="equal shapes"):
        sqnr_db(values, np.zeros(3))


def test_the_worst_output_counts() -> None:
    boxes, scores = np.array([[3.0, 4.0]]), np.array([[0.6, 0.8]])
    kinds = np.array([1])
    near, far = boxes + np.array([[0.005, 0.0]]), scores + np.array([[0.1, 0.0]])
    found, where = worst_sqnr_db([kinds, boxes, scores], [kinds + 1, near, far])
    assert (found, where) == (pytest.approx(20.0), 2)  # 1 / 0.01
    assert worst_sqnr_db([boxes, scores], [boxes, np.full_like(scores, np.nan)])[1] == 1
    assert worst_sqnr_db([kinds], [kinds]) == (math.inf, 0)
    with pytest.raises(ValueError, match="as many outputs"):
        worst_sqnr_db([boxes, scores], [boxes])


def test_samples_that_one_side_did_not_keep_are_left_out() -> None:
    values = np.arange(8.0).reshape(4, 2)
    assert worst_sqnr_db([values, values], [values, values[:2]]) == (math.inf, 0)


@pytest.mark.parametrize("axes", [(0, 1, 2, 3), (0, 2, 3, 1)], ids=["channels", "channels last"])
def test_a_tensor_is_known_by_its_scale_in_either_layout(axes) -> None:
    ours = [reference("a", 0.5), reference("b", 0.25)]
    theirs = Layer("there", 0.25 * (1 + 1e-7), 0, ours[1].values.transpose(axes))
    (found,) = compare(ours, [theirs])
    assert (found.tensor, found.name, found.sqnr_db) == ("b", "there", math.inf)
    assert (found.differing, found.furthest) == (0.0, 0)


def test_what_differs_is_counted_in_steps() -> None:
    ours = reference("a", 0.5, 7)
    values = ours.values.copy()
    values[0, 0, 0, 0] += 1.0  # two steps
    (found,) = compare([ours], [Layer("a", 0.5, 7, values)])
    assert found.furthest == 2
    assert found.differing == 1 / values.size
    assert math.isfinite(found.sqnr_db)


def test_of_several_with_one_scale_each_takes_what_fits() -> None:
    ours = [reference("a", 0.5), reference("b", 0.5)]
    theirs = [Layer("second", 0.5, 0, ours[1].values), Layer("first", 0.5, 0, ours[0].values)]
    assert [(one.tensor, one.name) for one in compare(ours, theirs)] == [
        ("a", "first"),
        ("b", "second"),
    ]


def test_another_zero_point_or_size_is_another_tensor() -> None:
    ours = reference("a", 0.5, 3)
    assert compare([ours], [Layer("x", 0.5, 4, ours.values)]) == ()
    assert compare([ours], [Layer("x", 0.5, 3, ours.values[:2])]) == ()


def test_the_first_that_is_too_noisy_is_named() -> None:
    ours = [reference("a", 0.5), reference("b", 0.25), reference("c", 0.125)]
    noisy = [Layer(one.tensor, one.scale, 0, one.values * 0.9) for one in ours[1:]]
    found = compare(ours, [Layer("a", 0.5, 0, ours[0].values), *noisy])
    first = first_below(found, 30.0)  # a tenth of the signal: 20 dB
    assert first is not None
    assert first.tensor == "b"
    assert first_below(found, 10.0) is None
