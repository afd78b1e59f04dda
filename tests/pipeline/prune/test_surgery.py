"""Applying works on a copy, checks itself, and leaves a graph fit for what comes next."""

import dataclasses

import pytest
import torch
from torch import Tensor, nn
from torchao.quantization.pt2e import move_exported_model_to_eval, move_exported_model_to_train

from pipeline.graph import Graph, trace
from pipeline.graph.operators import movement
from pipeline.prune import apply, plan, verify
from pipeline.prune import surgery as surgery_module
from pipeline.prune.reference import differences
from targets.errors import EdgesmithError


class Net(nn.Module):
    """Batch norm, dropout, a view with a constant, and a flattened head."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.two, self.head = nn.Conv2d(16, 8, 1), nn.Linear(8 * 16, 5)
        self.drop = nn.Dropout(0.5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.two(self.norm(self.one(x)).relu())
        return self.head(self.drop(x.view(-1, 128)))


def example() -> Tensor:
    return torch.randn(1, 3, 4, 4, generator=torch.Generator().manual_seed(0))


@pytest.fixture
def graph(randomise) -> Graph:
    return trace(randomise(Net()).float(), (example(),))


def test_the_original_is_untouched(graph: Graph) -> None:
    state = {name: tensor.clone() for name, tensor in graph.module.state_dict().items()}
    code = graph.module.code
    apply(graph, plan(graph, ratio=0.5))
    assert graph.module.code == code
    after = graph.module.state_dict()
    assert all(torch.equal(state[name], after[name]) for name in state)


def test_verify_is_rounding_for_a_right_graph_and_large_for_a_wrong_one(graph: Graph) -> None:
    chosen = plan(graph, ratio=0.5)
    small = apply(graph, chosen)
    inputs = (torch.randn(3, 3, 4, 4),)
    assert verify(graph, chosen, small, inputs) < 1e-12
    with torch.no_grad():
        small.module.one.weight.copy_(small.module.one.weight.roll(1, 0))
    assert verify(graph, chosen, small, inputs) > 1e-3
    found = differences(graph, chosen, small, inputs)
    first_wrong = next(name for name, value in found.items() if value > 1e-9)
    assert first_wrong == "one_weight"


def test_verify_does_not_run_the_graphs_it_is_given(graph: Graph) -> None:
    chosen = plan(graph, ratio=0.5)
    small = apply(graph, chosen)
    verify(graph, chosen, small, (example(),))
    assert {p.dtype for g in (graph, small) for p in g.module.parameters()} == {torch.float32}


def test_a_wrong_rewrite_rolls_back_and_names_the_node(graph: Graph, monkeypatch) -> None:
    """A graph whose view keeps its old constant has another shape than its labels predict."""
    without = dataclasses.replace(movement.SIZED, rewrite=None)
    found = surgery_module.rule_for
    monkeypatch.setattr(
        surgery_module, "rule_for", lambda t: without if "view" in str(t) else found(t)
    )
    chosen = plan(graph, ratio=0.5)
    with pytest.raises(EdgesmithError, match=r"rolled back: node 'view' has shape"):
        apply(graph, chosen)


def test_a_pruned_graph_is_pruned_again(graph: Graph) -> None:
    once = apply(graph, plan(graph, ratio=0.5))
    second = plan(once, ratio=0.5)
    assert [group.size for group in second.groups] == [8, 4]
    twice = apply(once, second)
    assert verify(once, second, twice, (example(),)) < 1e-12
    assert twice.module.one.weight.shape == (4, 3, 3, 3)


def test_a_pruned_graph_exports_again_with_a_dynamic_batch(graph: Graph) -> None:
    small = apply(graph, plan(graph, ratio=0.5))
    again = trace(small.module, (example(),))
    assert again.dynamic_batch
    inputs = torch.randn(5, 3, 4, 4)
    # The same operators on the same values.
    assert torch.equal(again.module(inputs), small.module(inputs))


def test_a_pruned_graph_trains(graph: Graph) -> None:
    small = apply(graph, plan(graph, ratio=0.5)).module
    before = small(example())
    assert torch.equal(small(example()), before)
    move_exported_model_to_train(small)
    assert not torch.equal(small(torch.cat([example()] * 4)), small(torch.cat([example()] * 4)))
    small(torch.cat([example()] * 4)).sum().backward()
    assert all(parameter.grad is not None for parameter in small.parameters())
    move_exported_model_to_eval(small)
    assert torch.equal(small(example()), small(example()))


def test_metadata_follows(graph: Graph) -> None:
    """Quantizers read each node's fake tensor."""
    small = apply(graph, plan(graph, ratio=0.5)).module
    shapes = {node.name: node.meta["val"].shape for node in small.graph.nodes if "val" in node.meta}
    assert shapes["conv2d"][1:] == (8, 4, 4)
    assert shapes["view"][1:] == (64,)
    assert isinstance(shapes["view"][0], torch.SymInt)
    assert shapes["one_weight"] == (8, 3, 3, 3)


def test_ties_stay_tied(randomise) -> None:
    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a = nn.Linear(6, 12)
            self.b = nn.Linear(12, 6, bias=False)
            self.c = nn.Linear(6, 12)
            self.c.weight = self.a.weight

        def forward(self, x: Tensor) -> Tensor:
            return self.c(self.b(self.a(x).relu())).mean(1, keepdim=True)

    graph = trace(randomise(Tied()), (torch.randn(1, 6).double(),))
    small = apply(graph, plan(graph, ratio=0.5))
    assert small.module.a.weight is small.module.c.weight
    assert small.module.a.weight.shape == (6, 6)
