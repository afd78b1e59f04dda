"""Repair: what can be made good is, what can't is told, and nothing that was given changes."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.probing import divergence
from pipeline.prune.repair import repair, repair_told
from targets.errors import ArtifactError, TaskError


def removing(graph: Graph, **channels: tuple[int, ...]) -> PrunePlan:
    """A plan that removes these channels of the groups of these parameters."""
    nothing = plan(graph, ratio=0.0)
    groups = [
        group.model_copy(update={"removed": channels.get(group.name.split(".")[0], ())})
        for group in nothing.groups
    ]
    return nothing.model_copy(update={"groups": tuple(groups)})


def inputs(*shape: int, batches: int = 3) -> list[tuple[Tensor]]:
    generator = torch.Generator().manual_seed(0)
    return [(torch.randn(shape, generator=generator),) for _ in range(batches)]


class Twins(nn.Module):
    """Its inner channels come in pairs of equals, so that one of each can go without loss."""

    def __init__(self, first: nn.Module, norm: nn.Module, second: nn.Module) -> None:
        super().__init__()
        torch.manual_seed(1)
        self.first, self.norm, self.second = first, norm, second
        for tensor in first.parameters():
            half = len(tensor) // 2
            tensor.data[half:] = tensor.data[:half]

    def forward(self, x: Tensor) -> Tensor:
        return x + self.second(torch.relu(self.norm(self.first(x))))


TWINS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...]]] = {
    "linear": (lambda: Twins(nn.Linear(5, 8), nn.Identity(), nn.Linear(8, 5)), (40, 5)),
    "sequence": (lambda: Twins(nn.Linear(5, 8), nn.Identity(), nn.Linear(8, 5)), (8, 6, 5)),
    "conv": (
        lambda: Twins(
            nn.Conv2d(3, 8, 3, padding=1, bias=False), nn.BatchNorm2d(8), nn.Conv2d(8, 3, 1)
        ),
        (8, 3, 6, 6),
    ),
}


@pytest.mark.parametrize("case", TWINS)
def test_channels_that_others_tell_are_made_up_for_wholly(case: str) -> None:
    build, shape = TWINS[case]
    batches = inputs(*shape)
    graph = trace(build(), (batches[0][0][:1],))
    chosen = removing(graph, first=(4, 5, 6, 7))
    pruned = apply(graph, chosen)
    repaired = repair(graph, pruned, chosen, batches)
    for (batch,) in inputs(*shape, batches=5):
        expected = graph.module(batch)
        assert not torch.allclose(pruned.module(batch), expected, atol=1e-2)
        # The ridge of 1e-4 leaves about that share of the weights' change undone.
        torch.testing.assert_close(repaired.module(batch), expected, rtol=0, atol=2e-3)


class Net(nn.Module):
    """A stem, a block with a shortcut, and a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, padding=1)
        self.inner = nn.Conv2d(8, 12, 3, padding=1, bias=False)
        self.norm = nn.BatchNorm2d(12)
        self.outer = nn.Conv2d(12, 8, 3, padding=1, bias=False)
        self.last = nn.BatchNorm2d(8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu(self.stem(x))
        branch = self.last(self.outer(torch.relu(self.norm(self.inner(x)))))
        return self.head(torch.relu(x + branch).mean((2, 3)))


class Attentive(nn.Module):
    """Attention and a feed-forward layer on a residual stream."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(12, 36), nn.Linear(12, 12)
        self.up, self.down = nn.Linear(12, 24), nn.Linear(24, 12)
        self.before, self.between = nn.LayerNorm(12), nn.LayerNorm(12)
        self.head = nn.Linear(12, 4)

    def forward(self, x: Tensor) -> Tensor:
        count, length, _ = x.shape
        qkv = self.qkv(self.before(x)).view(count, length, 3, 2, 6).permute(2, 0, 3, 1, 4)
        q, k, v = qkv.unbind(0)
        y = nn.functional.scaled_dot_product_attention(q, k, v)
        x = x + self.out(y.transpose(1, 2).reshape(count, length, 12))
        x = x + self.down(nn.functional.gelu(self.up(self.between(x))))
        return self.head(x.mean(1))


class InPlace(Net):
    """The same with operators that write to what they read."""

    def forward(self, x: Tensor) -> Tensor:
        x = torch.relu_(self.stem(x))
        branch = self.last(self.outer(torch.relu_(self.norm(self.inner(x)))))
        branch += x
        return self.head(torch.relu_(branch).mean((2, 3)))


NETS = {"residual": (Net, (16, 3, 8, 8)), "attention": (Attentive, (16, 7, 12))}


@pytest.mark.parametrize("case", NETS)
def test_repair_brings_outputs_nearer_and_changes_nothing_that_was_given(case: str) -> None:
    build, shape = NETS[case]
    torch.manual_seed(0)
    graph = trace(build(), (torch.randn(1, *shape[1:]),))
    chosen = plan(graph, macs=0.7)
    pruned = apply(graph, chosen)
    state = {name: tensor.clone() for name, tensor in pruned.module.state_dict().items()}
    dense = {name: tensor.clone() for name, tensor in graph.module.state_dict().items()}
    told = repair_told(graph, pruned, chosen, inputs(*shape, batches=6))
    unseen = [(torch.randn(shape, generator=torch.Generator().manual_seed(9)),)]
    assert divergence(graph, told.graph, unseen) < 0.5 * divergence(graph, pruned, unseen)
    assert told.solved
    assert not told.declined
    for module, before in ((pruned.module, state), (graph.module, dense)):
        assert all(torch.equal(before[name], t) for name, t in module.state_dict().items())
    assert not any(tensor.requires_grad and tensor.grad_fn for tensor in state.values())


def test_batch_norms_measured_anew_have_the_statistics_of_their_inputs() -> None:
    torch.manual_seed(0)
    graph = trace(Net(), (torch.randn(1, 3, 8, 8),))
    chosen = plan(graph, ratio=0.5)
    batches = inputs(16, 3, 8, 8)
    repaired = repair(graph, apply(graph, chosen), chosen, batches, method="batchnorm")
    seen = {}
    module = repaired.module

    class Listener(torch.fx.Interpreter):
        def run_node(self, n: torch.fx.Node) -> object:
            result = super().run_node(n)
            seen[n.name] = result
            return result

    Listener(module).run(torch.cat([one for (one,) in batches]))
    for convolution, norm in (("conv2d_1", "norm"), ("conv2d_2", "last")):
        value = seen[convolution].transpose(0, 1).flatten(1)
        mean = module.get_buffer(f"{norm}.running_mean")
        variance = module.get_buffer(f"{norm}.running_var")
        torch.testing.assert_close(mean, value.mean(1), rtol=1e-4, atol=1e-5)
        torch.testing.assert_close(variance, value.var(1), rtol=1e-4, atol=1e-5)


def test_what_nothing_removed_reaches_is_left_alone() -> None:
    torch.manual_seed(0)
    graph = trace(Net(), (torch.randn(1, 3, 8, 8),))
    chosen = removing(graph, inner=(0, 3))
    told = repair_told(graph, apply(graph, chosen), chosen, inputs(16, 3, 8, 8))
    assert told.solved == ("conv2d_2", "linear")
    assert torch.equal(told.graph.module.stem.weight, graph.module.stem.weight)


def test_an_unsolvable_consumer_is_named_with_its_reason() -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 1), nn.ReLU(), nn.ConvTranspose2d(8, 2, 2))
    graph = trace(net, (torch.randn(1, 3, 4, 4),))
    chosen = plan(graph, ratio=0.5)
    told = repair_told(graph, apply(graph, chosen), chosen, inputs(4, 3, 4, 4))
    assert not told.solved
    assert [one.name for one in told.declined] == ["conv_transpose2d"]


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([], "empty"),
        ([(torch.zeros(2, 3, 9, 8),)], r"batch 1, input 1: the model takes \(N, 3, 8, 8\); found"),
        ([(torch.zeros(2, 3, 8, 8), torch.zeros(1))], "takes 1 inputs; found 2"),
        ([(torch.zeros(2, 3, 8, 8).double(),)], "float32; found torch.float64"),
        ([(torch.full((2, 3, 8, 8), float("nan")),)], "NaN"),
        ([torch.zeros(2, 3, 8, 8)], "tuple of tensors"),
    ],
)
def test_calibration_data_that_do_not_fit_are_refused(batches: list, message: str) -> None:
    graph = trace(Net(), (torch.randn(1, 3, 8, 8),))
    chosen = plan(graph, ratio=0.5)
    with pytest.raises(TaskError, match=message):
        repair(graph, apply(graph, chosen), chosen, batches)


def test_another_models_plan_is_refused() -> None:
    graph = trace(Net(), (torch.randn(1, 3, 8, 8),))
    other = trace(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 2)), (torch.randn(1, 4),))
    chosen = plan(other, ratio=0.5)
    with pytest.raises(ArtifactError, match="another model"):
        repair(graph, graph, chosen, inputs(2, 3, 8, 8))


def test_operators_in_place_make_no_difference() -> None:
    batches = inputs(16, 3, 8, 8)
    found = []
    for build in (Net, InPlace):
        torch.manual_seed(0)
        graph = trace(build(), (torch.randn(1, 3, 8, 8),))
        chosen = plan(graph, ratio=0.4)
        found.append(repair(graph, apply(graph, chosen), chosen, batches).module(batches[0][0]))
    # The same sums by the same operators: float32's rounding alone, and a few solves.
    torch.testing.assert_close(*found, rtol=1e-3, atol=1e-4)
