"""The stand-in for a cost table: what the unpruned model takes, shared out by its work."""

import pytest

from pipeline.cost.reading import read
from pipeline.prune import plan
from pipeline.prune.limits import Legal
from pipeline.standin import stand_in


@pytest.fixture(scope="module")
def graph(two_convolutions):
    return two_convolutions(8)


@pytest.fixture(scope="module")
def model(graph):
    return read(graph).model


def legal_of(model):
    return Legal({name: (size // 2, size) for name, size in model.groups.items()})


def test_the_whole_model_is_charged_what_it_took(model):
    whole = {"latency_ms.p95": 3.0, "size_kb": 80.0}
    for charge in stand_in(model, legal_of(model), whole, "fp32"):
        assert charge.of(legal_of(model), {}) == pytest.approx(whole[charge.limit])


def test_latency_goes_with_the_work_as_planning_counts_it(graph, model):
    legal = legal_of(model)
    (charge,) = stand_in(model, legal, {"latency_ms.p50": 2.0}, "fp32")
    halved = {name: widths[0] for name, widths in legal.widths.items()}
    counted = plan(graph, ratio=0.5)
    assert {one.name: one.kept for one in counted.groups} == halved
    share = counted.macs_kept / counted.macs_dense
    assert charge.of(legal, halved) == pytest.approx(2.0 * share)


def test_sizes_go_with_the_stored_elements(graph, model):
    legal = legal_of(model)
    (charge,) = stand_in(model, legal, {"size_kb": 10.0}, "fp32")
    halved = {name: widths[0] for name, widths in legal.widths.items()}
    counted = plan(graph, ratio=0.5)
    share = counted.parameters_kept / counted.parameters_dense
    assert charge.of(legal, halved) == pytest.approx(10.0 * share, rel=0.01)


def test_memory_is_that_of_the_unpruned_model_and_grows_with_what_is_held(model):
    legal = legal_of(model)
    charges = stand_in(model, legal, {"peak_memory_mb": 5.0}, "fp32")
    assert {one.limit for one in charges} == {"peak_memory_mb"}
    whole = max(one.of(legal, {}) for one in charges)
    halved = max(one.of(legal, {name: own[0] for name, own in legal.widths.items()})
                 for one in charges)  # fmt: skip
    assert whole == pytest.approx(5.0, rel=1e-6)
    # Weights are held about twice (and the widest two activations once), of which half go: three
    # quarters of 4,608 weights in the middle, half of the others and of the activations.
    weights = 4 * (0.5 * 3 * 9 * 16 + 0.75 * 9 * 16 * 32 + 0.5 * 32 * 64 * 10) / 1e6
    assert whole - halved == pytest.approx(2 * weights, rel=0.5)
