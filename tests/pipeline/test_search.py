"""The search for charges: pure, so it is tested against made-up cost models and machines."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.search import (
    MEASUREMENTS,
    Goal,
    Reading,
    Tried,
    best,
    charges,
    nearest,
    next_charges,
    undominated,
)

P50 = Goal("tflite", "latency_ms.p50", 1.0)
SIZE = Goal("tflite", "size_kb", 100.0)


def reading(goal, predicted, observed, scatter=1.0):
    return Reading(goal, predicted, observed, observed * scatter)


def land(goals, unpruned, measure):
    """The loop with a planner that meets any charge to the letter. Gives what was tried."""
    tried = [Tried("", 0.0, tuple(unpruned))]
    while (most := next_charges(goals, tried)) is not None:
        loss = sum(goal.budget / value for goal, value in most.items())
        tried.append(Tried(str(len(tried)), loss, tuple(measure(most))))
    return tried


@given(st.floats(0.7, 1.4), st.floats(0.05, 0.9))
def test_a_model_that_is_off_by_a_factor_lands_at_once(factor, share):
    """The unpruned model has told the factor before anything is planned."""
    goal = Goal("tflite", "latency_ms.p50", share)
    tried = land(
        [goal],
        [reading(goal, 1.0, factor)],
        lambda most: [reading(goal, most[goal], factor * most[goal])],
    )
    if tried[0].meets:
        assert len(tried) == 1
    else:
        assert len(tried) == 2
        assert tried[-1].readings[0].observed == pytest.approx(0.95 * share)


@given(st.floats(-0.1, 0.1), st.floats(0.85, 1.2), st.floats(0.2, 0.8), st.floats(1.0, 1.04))
def test_a_model_that_is_off_by_an_offset_lands_within_two(offset, factor, share, scatter):
    """Off by a factor, and by up to 10 % of the limit besides: 85-100 % of the limit."""
    goal = Goal("tflite", "latency_ms.p50", share)

    def measured(value):
        return reading(goal, value, factor * value + offset * share, scatter)

    tried = land([goal], [measured(1.0)], lambda most: [measured(most[goal])])
    assert len(tried) <= 1 + MEASUREMENTS
    found = best(tried)
    assert found is not None
    if found.plan:
        assert 0.85 <= found.readings[0].observed / share <= 1.0


def test_sizes_are_corrected_by_what_they_are_off_not_by_a_factor():
    one = Tried("1", 0.1, (reading(SIZE, 90.0, 110.0),))
    assert charges([SIZE], [one]) == {SIZE: pytest.approx(80.0)}


def test_a_slow_process_at_the_limit_tightens_the_charge_though_the_median_is_well():
    one = Tried("1", 0.1, (reading(P50, 0.94, 0.94, scatter=1.2),))
    assert not one.meets
    assert charges([P50], [one])[P50] == pytest.approx(0.94 * 0.97 / (0.94 * 1.2))


def test_limits_that_nothing_was_read_of_keep_their_aim():
    assert charges([P50, SIZE], [Tried("", 0.0, (reading(P50, 2.0, 2.0),))]) == {
        P50: pytest.approx(0.95),
        SIZE: 100.0,
    }


def test_an_unpruned_model_that_meets_ends_the_search():
    assert next_charges([P50], [Tried("", 0.0, (reading(P50, 0.5, 0.5),))]) is None


def test_a_plan_with_room_to_spare_is_loosened_once():
    slow = Tried("", 0.0, (reading(P50, 2.0, 2.0),))
    early = Tried("1", 0.5, (reading(P50, 0.95, 0.7),))
    looser = next_charges([P50], [slow, early])
    assert looser is not None
    assert looser[P50] > 0.95
    assert best([slow, early, Tried("2", 0.3, (reading(P50, 1.2, 0.97),))]).plan == "2"
    assert best([slow, early, Tried("2", 0.3, (reading(P50, 1.2, 1.01),))]).plan == "1"


def test_what_can_not_be_reached_is_measured_once_and_ends_the_search():
    slow = Tried("", 0.0, (reading(P50, 9.0, 9.0),))
    floor = Tried("1", 3.0, (reading(P50, 2.0, 2.0),), "nothing is below 2 ms")
    assert next_charges([P50], [slow, floor]) is None
    assert best([slow, floor]) is None
    assert nearest([slow, floor]) is floor


def test_a_model_that_said_it_can_not_be_reached_and_was_wrong_is_corrected():
    slow = Tried("", 0.0, (reading(P50, 9.0, 9.0),))
    floor = Tried("1", 3.0, (reading(P50, 2.0, 0.5),), "nothing is below 2 ms")
    assert next_charges([P50], [slow, floor])[P50] == pytest.approx(2.0 * 0.95 / 0.5)


def test_the_slower_and_worse_is_never_the_best():
    quick = Tried("1", 0.1, (reading(P50, 0.9, 0.9),))
    slow_and_worse = Tried("2", 0.4, (reading(P50, 0.8, 0.97),))
    assert best([slow_and_worse, quick]) is quick
    assert nearest([slow_and_worse, quick]) is quick


def test_another_budget_judges_what_was_measured_for_the_first():
    one = Tried("1", 0.1, (reading(P50, 0.9, 0.9),))
    assert one.meets
    assert not one.against([Goal("tflite", "latency_ms.p50", 0.5)]).meets
    assert one.against([Goal("openvino", "latency_ms.p50", 0.5)]).readings == ()


def test_a_front_leaves_out_what_is_dearer_and_worse():
    points = [(1.0, 0.1), (0.5, 0.2), (0.6, 0.3), (0.5, 0.2)]
    assert undominated(points) == [True, True, False, True]
