"""Regions that can stay float: contiguous, and never one operator between int8 neighbours."""

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph import trace
from pipeline.quantize import apply
from pipeline.quantize.keeping import keeping
from pipeline.quantize.layout import Layout, Part, layout
from pipeline.quantize.observe import observe
from pipeline.quantize.prepared import prepare
from pipeline.quantize.regions import closed, regions
from targets.errors import ArtifactError

aten = torch.ops.aten


def chain(*roles: str, macs: int = 1) -> Layout:
    """Operators in a row, named by their place and role: c0, f1, m2, x3."""
    names = [f"{role[0] if role != 'float' else 'x'}{place}" for place, role in enumerate(roles)]
    return {
        name: Part(
            name,
            "conv2d" if role == "computes" else "relu",
            role,
            "",
            tuple(names[place - 1 : place]) if place else (),
            tuple(names[place + 1 : place + 2]),
            macs if role == "computes" else 0,
            role == "computes",
        )
        for place, (name, role) in enumerate(zip(names, roles, strict=True))
    }


PLAIN = chain("float", "computes", "fused", "computes", "fused", "moves", "computes", "float")


def test_one_operator_between_integers_takes_a_neighbour_along() -> None:
    assert closed(PLAIN, ["c3"]) == ("c3", "f4", "m5", "c6")


def test_one_operator_beside_a_float_one_stays_alone() -> None:
    assert closed(PLAIN, ["c1"]) == ("c1", "f2")
    assert closed(PLAIN, ["c6"]) == ("c6",)


def test_an_activation_and_its_operator_stay_together() -> None:
    assert closed(PLAIN, ["f2"]) == ("c1", "f2")


def test_what_moves_values_between_two_of_a_region_belongs_to_it() -> None:
    assert closed(PLAIN, ["c3", "c6"]) == ("c3", "f4", "m5", "c6")


def test_what_is_float_anyway_is_left_out() -> None:
    assert closed(PLAIN, ["x0", "x7"]) == ()
    with pytest.raises(KeyError):
        closed(PLAIN, ["c9"])


roles = st.lists(st.sampled_from(["computes", "moves", "float"]), min_size=3, max_size=12)


@given(roles, st.data())
def test_closing_is_done_at_once_and_never_between_integers(found: list[str], data) -> None:
    parts = chain("float", *found, "float")
    asked = data.draw(st.sets(st.sampled_from(sorted(parts))))
    kept = closed(parts, asked)
    assert closed(parts, kept) == kept
    assert {name for name in asked if parts[name].role != "float"} <= set(kept)
    inside = [name in kept for name in parts]
    for name, part in parts.items():
        if part.role == "computes" and name in kept:
            borders = [*part.inputs, *part.users]
            assert any(other in kept or parts[other].role == "float" for other in borders)
    assert inside[0] is False


def test_the_digits_net_has_layers_and_blocks(digits) -> None:
    found = {region.name: region for region in regions(digits.graph)}
    assert found["layer body.9"].nodes == ("linear",)
    assert found["block body.1"].nodes == ("conv2d_1", "relu_1", "conv2d_2", "add", "relu_2")
    # Two convolutions of 16 to 16 channels, 3 x 3, on 16 x 16 places.
    assert found["block body.1"].macs == 2 * 16 * 16 * 9 * 16 * 16
    everything = {part.name for part in layout(digits.graph).values() if part.weighted}
    assert all(not everything <= set(region.nodes) for region in found.values())


@pytest.mark.parametrize("name", ["layer body.2.0.0", "block body.3", "layer body.0.0"])
def test_a_region_kept_float_has_no_observer_inside(digits, name: str) -> None:
    (region,) = (region for region in regions(digits.graph) if region.name == name)
    prepared = prepare(digits.graph.module, frozenset(region.nodes))
    nodes = {node.name: node for node in prepared.module.graph.nodes}
    targets = {place.target for place in (*prepared.activations, *prepared.weights)}
    for kept in region.nodes:
        for read in nodes[kept].all_input_nodes:
            if str(read.target) in targets:
                assert read.args[0].name not in region.nodes
                assert read.args[0].op != "get_attr"


def test_a_plan_keeps_a_region_without_new_data(digits) -> None:
    plan = keeping(digits.graph, digits.quantized.plan, ["conv2d_1"])
    assert plan.keeps == closed(layout(digits.graph), ["conv2d_1"])
    scales = {entry.tensor: entry.scale for entry in digits.quantized.plan.tensors}
    assert all(entry.scale == scales[entry.tensor] for entry in plan.tensors)
    assert len(plan.weights) == len(digits.quantized.plan.weights) - 2
    module = apply(digits.graph, plan).unfolded
    node = next(node for node in module.graph.nodes if node.name == "conv2d_1")
    assert [read.op for read in node.all_input_nodes] == ["call_function", "get_attr", "get_attr"]
    with torch.no_grad():
        found = module(digits.images[:50]).argmax(1)
        assert (found == digits.graph.module(digits.images[:50]).argmax(1)).all()


def test_observing_a_graph_with_a_region_kept_float(digits) -> None:
    keeps = frozenset(closed(layout(digits.graph), ["conv2d_1"]))
    observed = observe(digits.graph, [(digits.images[:16],)], keeps)
    assert set(observed.keeps) == keeps
    assert "x" not in observed.groups  # only the kept convolution reads it


def test_a_node_that_is_not_there_is_refused(digits) -> None:
    with pytest.raises(ArtifactError, match="'conv2d_99' is to stay float"):
        prepare(digits.graph.module, frozenset({"conv2d_99"}))


def test_all_of_a_kind_is_a_region() -> None:
    net = torch.nn.Sequential(
        *(
            layer
            for _ in range(3)
            for layer in (torch.nn.Conv2d(4, 4, 3, padding=1), torch.nn.Hardswish())
        )
    )
    found = {region.name: region for region in regions(trace(net, (torch.zeros(1, 4, 8, 8),)))}
    kept = found["all hardswish"].nodes
    assert {"hardswish", "hardswish_1", "hardswish_2"} <= set(kept)
