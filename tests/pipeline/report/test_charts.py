import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.report import charts

times = st.lists(st.floats(1e-3, 1e3), min_size=1, max_size=50).map(np.asarray)
processes = st.lists(times, min_size=1, max_size=5)


@given(st.floats(1e-6, 1e6))
def test_an_axis_has_a_few_round_marks_and_reaches_far_enough(reach: float):
    ticks, end = charts.axis(reach)
    assert end >= reach * (1 - 1e-9)
    assert 4 <= len(ticks) <= 10
    assert ticks[0].at == 0
    assert ticks[-1].at == 100


@given(processes, processes, st.none() | st.floats(1e-3, 1e4))
def test_everything_drawn_lies_on_the_chart(dense, final, budget):
    chart = charts.distribution(dense, final, budget)
    assert len(chart.dense) == len(dense)
    for lane in (*chart.dense, *chart.final):
        assert 0 <= lane.p50 <= lane.p95 <= 100
        assert lane.path.startswith("M0 1")
        assert lane.path.endswith(f"H{charts.BINS}V1Z")
    assert chart.budget_at is None or 0 <= chart.budget_at <= 100
    assert chart.samples == sum(len(one) for one in (*dense, *final))
    assert 0 <= chart.beyond <= chart.samples


def test_a_straggler_does_not_flatten_the_rest():
    samples = np.r_[np.full(399, 1.0), 500.0]
    chart = charts.distribution([samples], [samples], 1.2)
    assert chart.beyond == 2
    assert chart.dense[0].p50 > 50


def test_a_bar_at_its_limit_ends_at_the_mark():
    assert charts.bullet(0.4, 0.4).width == charts.LIMIT_AT
    assert charts.bullet(-0.1, 0.4).width == 0
    assert charts.bullet(9.0, 0.4) == charts.Bullet(100.0, pytest.approx(22.5), True)


def test_a_curve_stays_in_its_box():
    line = charts.curve([0.9, 0.95, 0.93], marked=1)
    points = [tuple(map(float, point.split(","))) for point in line.points.split()]
    assert all(0 <= x <= 100 and 0 <= y <= 100 for x, y in points)
    assert line.marked == pytest.approx(points[1], abs=0.01)
    assert charts.curve([0.5, 0.5], None).points
