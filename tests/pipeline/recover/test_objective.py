"""The loss that training makes small."""

import math

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.recover.objective import Objective, distance
from targets.errors import TaskError

temperatures = st.floats(0.5, 20)


@given(st.integers(0, 1000), temperatures)
def test_a_model_is_at_no_distance_from_itself_and_at_some_from_others(seed, temperature):
    torch.manual_seed(seed)
    a, b = torch.randn(2, 6, 4)
    # Zero up to float32 rounding of the sum of four terms, scaled by the squared temperature.
    assert abs(distance(a, a, temperature)) < 1e-6 * temperature**2
    assert distance(a, b, temperature) > 0
    # A constant added to all scores of a sample changes nothing.
    assert torch.allclose(
        distance(a + 3, b, temperature), distance(a, b, temperature), rtol=1e-3, atol=1e-4
    )


def test_it_is_the_divergence_by_its_definition():
    ours, theirs = torch.tensor([[0.0, 0.0]]), torch.tensor([[2.0 * math.log(3.0), 0.0]])
    # At temperature 2 the teacher says (3/4, 1/4), the student (1/2, 1/2).
    expected = 4 * (0.75 * math.log(0.75 / 0.5) + 0.25 * math.log(0.25 / 0.5))
    assert distance(ours, theirs, 2.0).item() == pytest.approx(expected, rel=1e-5)


def test_classes_of_an_image_of_scores_lie_in_dimension_one():
    ours, theirs = torch.randn(2, 5, 3, 4, 6).unbind(0)
    pixels = [one.permute(0, 2, 3, 1).reshape(-1, 3) for one in (ours, theirs)]
    # Another order of summing 120 terms: within 1e-5 of each other.
    assert torch.allclose(distance(ours, theirs, 3.0), distance(*pixels, 3.0), rtol=1e-5)


def test_single_values_are_compared_by_square():
    assert distance(torch.zeros(4, 1), torch.full((4, 1), 3.0), 4.0) == 9.0
    assert distance(torch.zeros(4), torch.full((4,), 3.0), 4.0) == 9.0


def test_every_float_output_counts():
    one, other = torch.randn(2, 4, 3)
    nested = {"a": one, "b": (other, torch.arange(4))}
    zero = {"a": other, "b": (other, torch.zeros(4, dtype=torch.int64))}
    expected = distance(one, other, 2.0) / 2
    assert torch.allclose(distance(nested, zero, 2.0), expected, atol=1e-6)
    with pytest.raises(TaskError, match="no float output"):
        distance(torch.arange(3), torch.arange(3), 1.0)


def test_weights_share_the_whole():
    outputs, teacher = torch.randn(2, 4, 3)
    own = torch.tensor(2.5)
    both = Objective(lambda *_: own, 2.0, 0.75)(outputs, teacher, None)
    assert torch.allclose(both, 0.75 * distance(outputs, teacher, 2.0) + 0.25 * own)
    assert Objective(lambda *_: own, 2.0, 0.0)(outputs, None, None) == own


@pytest.mark.parametrize("found", [1.0, torch.zeros(2), None])
def test_a_loss_must_be_one_number(found):
    with pytest.raises(TaskError, match="scalar tensor"):
        Objective(lambda *_: found, 1.0, 0.0)(None, None, None)
