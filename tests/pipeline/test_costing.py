"""Charges and losses together: plans of a real little net, by a stand-in for its cost table."""

from types import SimpleNamespace

import pytest

from pipeline import costing, losing, tables
from pipeline.cost.reading import read
from pipeline.costing import Costing, learn, plan
from pipeline.prune import observe_blocks
from pipeline.prune.sensitivity import Sensitivity
from pipeline.recipe import Prune
from pipeline.search import Goal
from pipeline.tables import Kept

P50 = Goal("tflite", "latency_ms.p50", 1.0)
SIZE = Goal("tflite", "size_kb", 5.0)
WHOLE = {P50: 2.0, SIZE: 10.0}
BUDGET = Prune(to="budget")


@pytest.fixture(scope="module")
def graph(two_convolutions):
    return two_convolutions(4)


@pytest.fixture
def desk(graph, monkeypatch):
    """A desk without tables, and the losses that a run would have measured."""
    remarks = []
    model = read(graph).model
    divergence = {
        name: {size // 8 * eighth: 0.1 * (8 - eighth) ** 2 for eighth in range(1, 8)}
        for name, size in model.groups.items()
    }
    known = losing.Losses(
        model, Sensitivity(divergence=divergence), observe_blocks(graph), ("sensitivity-1",)
    )
    monkeypatch.setattr(losing, "measured", lambda desk, parent, settings: known)
    monkeypatch.setattr(tables, "of", lambda desk, dense, runtime: Kept(None, f"cost-{runtime}"))
    return SimpleNamespace(
        dense=graph, quantize=None, console=SimpleNamespace(remark=remarks.append), told=remarks
    )


def learned(desk, whole=WHOLE, settings=BUDGET) -> Costing:
    return learn(desk, SimpleNamespace(folder=None), settings, whole)


def test_the_whole_model_is_predicted_as_it_was_measured(desk):
    found = learned(desk)
    assert found.predicted({}) == pytest.approx(WHOLE)
    assert found.steps == ("cost-tflite", "sensitivity-1")


def test_a_plan_keeps_within_all_charges_and_predicts_itself(desk):
    found = learned(desk)
    made = plan(desk, BUDGET, found, {P50: 1.0, SIZE: 5.0})
    assert made.unreachable == ""
    assert made.divergence > 0
    assert made.predicted[P50] <= 1.0
    assert made.predicted[SIZE] <= 5.0
    widths = {one.name: one.kept for one in made.plan.groups}
    assert found.predicted(widths) == pytest.approx(made.predicted)


def test_a_looser_charge_never_loses_more(desk):
    found = learned(desk)
    losses = [plan(desk, BUDGET, found, {P50: most, SIZE: 10.0}).divergence
              for most in (0.5, 0.8, 1.2, 2.0)]  # fmt: skip
    assert losses == sorted(losses, reverse=True)
    assert losses[-1] == 0


def test_what_can_not_be_met_gives_the_nearest_and_says_so(desk):
    found = learned(desk)
    made = plan(desk, BUDGET, found, {P50: 1e-6, SIZE: 5.0})
    assert "latency_ms.p50 on tflite: the limit of 1 can't be met" in made.unreachable
    narrowest = {name: widths[0] for name, widths in found.legal.widths.items()}
    assert {one.name: one.kept for one in made.plan.groups} == narrowest


def test_every_limit_that_can_not_be_met_is_told(desk):
    made = plan(desk, BUDGET, learned(desk), {P50: 1e-6, SIZE: 1e-6})
    assert P50.name in made.unreachable
    assert SIZE.name in made.unreachable


def test_the_least_is_told_in_the_terms_of_the_limit(desk):
    """A machine twice as slow as its table: half may be charged, and the floor is twice as high."""
    found = learned(desk)
    least = plan(desk, BUDGET, found, {P50: 1e-6, SIZE: 10.0}).predicted[P50]
    made = plan(desk, BUDGET, found, {P50: least / 2, SIZE: 10.0})
    told = P50.aim / (least / 2) * least
    assert f"no plan is predicted below {told:.4g}" in made.unreachable


def test_memory_is_planned_by_without_a_table_too(desk):
    memory = Goal("tflite", "peak_memory_mb", 3.996)
    found = learned(desk, {**WHOLE, memory: 4.0})
    assert found.predicted({})[memory] == pytest.approx(4.0, rel=1e-6)
    made = plan(desk, BUDGET, found, {P50: 2.0, SIZE: 10.0, memory: 3.996})
    assert made.unreachable == ""
    assert made.predicted[memory] <= 3.996
    assert made.divergence > 0


def test_blocks_alone_leave_widths_whole(desk):
    found = learned(desk, settings=Prune(to="budget", granularity="block"))
    assert all(len(widths) == 1 for widths in found.legal.widths.values())


def test_several_runtimes_are_charged_together(desk):
    other = Goal("openvino", "latency_ms.p50", 1.0)
    found = learned(desk, {P50: 2.0, other: 4.0})
    made = plan(desk, BUDGET, found, {P50: 2.0, other: 1.0})
    assert made.predicted[other] <= 1.0
    assert made.predicted[P50] <= 0.5 + 1e-9
    assert len({one.limit for one in found.held({P50: 2.0, other: 1.0})}) == 2


def test_a_multiple_of_ones_own_narrows_the_widths(desk):
    assert costing.MULTIPLE != 16
    found = learned(desk, settings=Prune(to="budget", multiple=16))
    assert all(width % 16 == 0 for widths in found.legal.widths.values() for width in widths[1:])
