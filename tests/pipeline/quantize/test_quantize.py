"""Quantizing a graph: what becomes int8, what is left as it was, and what is refused."""

from pathlib import Path

import pytest
import torch
from torch import nn

from pipeline.graph import Graph, trace
from pipeline.quantize import QuantPlan, apply, quantize
from pipeline.quantize.keeping import keeping
from pipeline.quantize.rules import AMONG_FLOATS
from pipeline.recipe import Quantize
from targets.errors import ArtifactError, TaskError, UsageError

aten = torch.ops.aten
SETTINGS = Quantize()


def named(graph: torch.fx.GraphModule, operator: object) -> list[torch.fx.Node]:
    return [node for node in graph.graph.nodes if node.target is operator]


def test_every_convolution_reads_and_leaves_integers(digits) -> None:
    for form in (digits.quantized.folded, digits.quantized.unfolded):
        convolutions = named(form, aten.conv2d.default) + named(form, aten.linear.default)
        assert len(convolutions) == 9
        for node in convolutions:
            assert all("dequantize" in str(arg.target) for arg in node.args[:2])
            (user,) = node.users
            user = next(iter(user.users)) if user.target is aten.relu.default else user
            assert "quantize_per_tensor" in str(user.target)
    assert digits.quantized.plan.floats == ()


def test_batch_norms_are_folded_into_convolutions(digits) -> None:
    assert not named(digits.quantized.unfolded, aten.batch_norm.default)


def test_tensors_of_a_concat_share_one_scale(digits) -> None:
    (concat,) = named(digits.graph.module, aten.cat.default)
    by_tensor = {entry.tensor: entry for entry in digits.quantized.plan.tensors}
    tensors = [by_tensor[node.name] for node in (*concat.all_input_nodes, concat)]
    assert len({(entry.scale, entry.zero_point) for entry in tensors}) == 1


def test_both_forms_compute_the_same(digits) -> None:
    with torch.no_grad():
        folded = digits.quantized.folded(digits.images[:50])
        unfolded = digits.quantized.unfolded(digits.images[:50])
    torch.testing.assert_close(folded, unfolded, rtol=0, atol=0)


def test_folded_weights_are_int8(digits) -> None:
    folded = digits.quantized.folded
    for node in named(folded, aten.conv2d.default):
        stored = node.args[1].args[0]
        assert stored.op == "get_attr"
        assert getattr(folded, stored.target).dtype == torch.int8


def test_it_decides_as_the_float_graph(digits) -> None:
    with torch.no_grad():
        dense = digits.graph.module(digits.images)
        quantized = digits.quantized.unfolded(digits.images)
    noise = (dense - quantized).norm() / dense.norm()
    # Ten tensors in a row, each rounded with an error of about range / 256 / sqrt(12): under 1 %
    # of its values' norm, in quadrature under 4 %.
    assert noise < 0.04
    assert (dense.argmax(1) == quantized.argmax(1)).float().mean() >= 0.99


def test_the_graph_is_left_as_it_was(digits) -> None:
    graph = digits.graph.copy()
    code = graph.module.code
    before = {name: value.clone() for name, value in graph.module.state_dict().items()}
    quantize(graph, [(digits.images[:8],)], SETTINGS)
    assert graph.module.code == code
    after = graph.module.state_dict()
    assert list(after) == list(before)
    assert all(torch.equal(after[name], value) for name, value in before.items())


def test_the_same_data_gives_the_same_plan(digits) -> None:
    again = quantize(digits.graph, [(each,) for each in digits.calibration], SETTINGS)
    assert again.plan == digits.quantized.plan
    turned = quantize(digits.graph, [(each,) for each in reversed(digits.calibration)], SETTINGS)
    assert turned.plan == digits.quantized.plan


def test_a_plan_is_saved_read_and_applied_without_data(digits, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    digits.quantized.plan.save(path)
    plan = QuantPlan.load(path)
    assert plan == digits.quantized.plan
    images = digits.images[:20]
    with torch.no_grad():
        replayed = apply(digits.graph, plan).folded(images)
        assert torch.equal(replayed, digits.quantized.folded(images))


@pytest.mark.parametrize("found", ["not JSON", "{}", '{"samples": 0}'])
def test_a_broken_plan_is_refused(found: str, tmp_path: Path) -> None:
    path = tmp_path / "plan.json"
    path.write_text(found)
    with pytest.raises(ArtifactError, match="plan"):
        QuantPlan.load(path)
    with pytest.raises(ArtifactError, match="can't be read"):
        QuantPlan.load(tmp_path / "missing.json")


def test_the_plan_of_another_model_is_refused(digits) -> None:
    graph = trace(nn.Sequential(nn.Conv2d(1, 4, 3), nn.ReLU()), (torch.zeros(1, 1, 32, 32),))
    with pytest.raises(ArtifactError, match="another model"):
        apply(graph, digits.quantized.plan)


def test_a_static_batch_takes_batches_of_any_size(digits) -> None:
    static = Graph(
        torch.export.export(digits.graph.module, (digits.images[:3],)).module(check_guards=False),
        (digits.images[:3],),
        dynamic_batch=False,
        static_reason="chosen",
    )
    dynamic = quantize(digits.graph, [(digits.images[:6],)], SETTINGS)
    assert quantize(static, [(digits.images[:6],)], SETTINGS).plan == dynamic.plan
    # 7 samples fill three batches of 3 with two that were there before.
    assert quantize(static, [(digits.images[:7],)], SETTINGS).plan.samples == 9


def test_what_stays_float_has_a_reason() -> None:
    class Odd(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm = nn.LayerNorm(8)
            self.head = nn.Linear(8, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return torch.softmax(self.head(torch.cos(self.norm(x * 2))), -1)

    x = torch.randn(4, 8)
    plan = quantize(trace(Odd(), (x[:1],)), [(x,)], SETTINGS).plan
    reasons = {entry.operator.split(".")[1]: entry.reason for entry in plan.floats}
    assert set(reasons) == {"mul", "layer_norm", "cos", "softmax"}
    assert reasons["cos"] == "has no int8 rule"
    assert "number" in reasons["mul"]
    assert [entry.weight for entry in plan.weights] == ["head.weight"]


def test_what_only_moves_values_keeps_their_scale() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ChannelShuffle(2), nn.PixelUnshuffle(2))
    x = torch.randn(8, 3, 8, 8)
    plan = quantize(trace(net, (x[:1],)), [(x,)], SETTINGS).plan
    assert plan.floats == ()
    assert len({entry.scale for entry in plan.tensors if entry.tensor != "input_1"}) == 1


def test_a_sigmoid_keeps_its_known_scale() -> None:
    net = nn.Sequential(nn.Linear(8, 8), nn.Sigmoid(), nn.Linear(8, 2))
    x = torch.randn(16, 8)
    plan = quantize(trace(net, (x[:1],)), [(x,)], SETTINGS).plan
    by_tensor = {entry.tensor: (entry.scale, entry.zero_point) for entry in plan.tensors}
    assert by_tensor["sigmoid"] == (1 / 256, -128)


def test_a_channel_of_zeros_does_no_harm() -> None:
    net = nn.Conv2d(1, 2, 3)
    with torch.no_grad():
        net.weight[0] = 0
    x = torch.rand(8, 1, 8, 8)
    graph = trace(net, (x[:1],))
    with torch.no_grad():
        found = quantize(graph, [(x,)], SETTINGS).folded(x)
        assert torch.isfinite(found).all()
        # Input, weight and output are rounded once each: 3 half steps of range / 255.
        assert (found - graph.module(x)).abs().max() < 0.03


def test_empty_calibration_is_refused(digits) -> None:
    with pytest.raises(TaskError, match="calibration split is empty"):
        quantize(digits.graph, [], SETTINGS)


@pytest.mark.parametrize("wrong", [float("nan"), float("inf")])
def test_calibration_data_that_is_not_finite_is_refused(digits, wrong: float) -> None:
    images = digits.images[:4].clone()
    images[2, 0, 3, 3] = wrong
    with pytest.raises(TaskError, match="batch 1 holds NaN or infinite"):
        quantize(digits.graph, [(digits.images[:4],), (images,)], SETTINGS)


def test_calibration_data_of_another_shape_is_refused(digits) -> None:
    with pytest.raises(TaskError, match=r"\(1, 28, 28\).*\(1, 32, 32\)"):
        quantize(digits.graph, [(torch.zeros(4, 1, 28, 28),)], SETTINGS)


def test_a_model_that_overflows_is_refused() -> None:
    class Overflows(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.head = nn.Linear(4, 2)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.head(torch.exp(x * 1000))

    with pytest.raises(TaskError, match="tensor 'exp' is NaN or infinite"):
        quantize(trace(Overflows(), (torch.ones(1, 4),)), [(torch.ones(2, 4),)], SETTINGS)


def test_a_quantized_graph_is_refused(digits) -> None:
    again = Graph(digits.quantized.unfolded, digits.graph.inputs, dynamic_batch=True)
    with pytest.raises(UsageError, match="quantized already"):
        quantize(again, [(digits.images[:4],)], SETTINGS)


def test_a_model_without_int8_operators_is_refused() -> None:
    graph = trace(nn.LayerNorm(4), (torch.zeros(1, 4),))
    with pytest.raises(TaskError, match="no operator"):
        quantize(graph, [(torch.zeros(2, 4),)], SETTINGS)


class Attending(nn.Module):
    """Products before and behind an operator that has no int8 rule, and moves around it."""

    def __init__(self) -> None:
        super().__init__()
        self.before, self.behind = nn.Linear(8, 8), nn.Linear(8, 4)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = torch.cos(self.before(x).transpose(1, 2)).transpose(1, 2)
        return self.behind(x)


def test_moves_between_float_operators_stay_float() -> None:
    x = torch.randn(4, 6, 8)
    plan = quantize(trace(Attending().eval(), (x[:1],)), [(x,)], SETTINGS).plan
    moves = [one.reason for one in plan.floats if one.operator.startswith("aten.transpose")]
    assert moves == ["float operators alone read what it moves"] * 2
    assert {one.tensor for one in plan.tensors} == {"x", "linear", "transpose_1", "linear_1"}


def test_a_value_that_float_operators_read_need_not_be_rounded() -> None:
    x = torch.randn(4, 6, 8)
    graph = trace(Attending().eval(), (x[:1],))
    plan = quantize(graph, [(x,)], SETTINGS).plan
    opened = keeping(graph, plan, (), float_outlets=True)
    assert {one.tensor for one in plan.tensors} - {one.tensor for one in opened.tensors} == {
        "linear"
    }
    with torch.no_grad():
        exact, rounded, left = (
            m(x) for m in (graph.module, apply(graph, plan).folded, apply(graph, opened).folded)
        )
    assert (left - exact).square().sum() < (rounded - exact).square().sum()


class Masked(nn.Module):
    """Attention with a bias for each pair of places and a mask that is added to the scores."""

    def __init__(self, hidden: float) -> None:
        super().__init__()
        self.enter, self.leave = nn.Linear(8, 24), nn.Linear(8, 4)
        self.bias = nn.Parameter(0.1 * torch.randn(6, 6))
        self.register_buffer("mask", torch.full((6, 6), hidden).triu(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        q, k, v = self.enter(x).chunk(3, dim=-1)
        scores = q @ k.transpose(1, 2) / 8**0.5 + self.bias
        return self.leave(torch.softmax(scores + self.mask, dim=-1) @ v)


@pytest.mark.parametrize("hidden", [-torch.inf, -1e9, -100.0])
def test_what_is_added_between_float_operators_stays_float(hidden: float) -> None:
    torch.manual_seed(0)
    inputs = torch.randn(32, 6, 8)
    graph = trace(Masked(hidden).eval(), (inputs[:1],))
    quantized = quantize(graph, [(inputs,)], SETTINGS)
    reasons = {one.node: one.reason for one in quantized.plan.floats}
    assert {reasons.get("add"), reasons.get("add_1")} == {AMONG_FLOATS}
    with torch.no_grad():
        expected, found = graph.module(inputs), quantized.unfolded(inputs)
    assert (found - expected).square().mean() < 1e-3 * expected.square().mean()  # 30 dB


def test_what_is_added_to_int8_operators_results_is_int8() -> None:
    class Residual(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.other, self.norm = nn.Linear(8, 8), nn.Linear(8, 8), nn.LayerNorm(8)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.norm(self.one(x) + self.other(x))

    inputs = torch.randn(32, 8)
    plan = quantize(trace(Residual().eval(), (inputs[:1],)), [(inputs,)], SETTINGS).plan
    assert "add" not in {one.node for one in plan.floats}
