"""In-place operators and views around a block: copied where a write would reach too far, declined
where the block itself writes into what others read."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import (
    apply,
    find_blocks,
    observe_blocks,
    plan,
    plan_blocks,
    without_blocks,
)
from pipeline.prune.memory import recall
from pipeline.prune.reference import differences

Forward = Callable[["Net", Tensor], Tensor]


class Net(nn.Module):
    """A stem, one block's layer, and a head; how they are put together is the test's."""

    def __init__(self, forward: Forward) -> None:
        super().__init__()
        self.stem, self.body = nn.Conv2d(2, 6, 3, 1, 1), nn.Conv2d(6, 6, 3, 1, 1)
        self.head = nn.Linear(6, 3)
        self.put_together = forward

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.put_together(self, x).mean((2, 3)))


def traced(randomise: Callable[..., nn.Module], forward: Forward) -> Graph:
    return trace(randomise(Net(forward)), (torch.randn(1, 2, 4, 4).double(),))


def without(graph: Graph, name: str = "body") -> Graph:
    """The graph without one block; every node equals the reference, with half the channels too."""
    blocks = plan_blocks(observe_blocks(graph), names=[name])
    made = plan(graph, ratio=0.5, blocks=blocks)
    inputs = (torch.randn(3, 2, 4, 4).double(),)
    kept = [tensor.clone() for tensor in inputs]
    assert max(differences(graph, made, apply(graph, made), inputs).values()) <= 1e-9
    rest = without_blocks(graph, blocks)
    rest.module(*inputs)
    assert torch.equal(inputs[0], kept[0])
    return rest


def called(graph: Graph) -> list[str]:
    nodes = [node for node in graph.module.graph.nodes if node.op == "call_function"]
    return [str(node.target).removeprefix("aten.").split(".")[0] for node in nodes]


def test_a_write_after_the_block_needs_no_copy_where_nobody_reads_what_it_had(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        return F.relu_(x + net.body(x))

    assert called(without(traced(randomise, forward))) == ["conv2d", "relu_", "mean", "linear"]


def test_a_write_after_the_block_does_not_reach_a_tap_of_its_input(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        return F.relu_(x + net.body(x)) * x

    assert "clone" in called(without(traced(randomise, forward)))


def test_a_write_into_the_blocks_input_does_not_reach_its_output(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = x + net.body(x)
        return y * x.mul_(2.0)

    assert "clone" in called(without(traced(randomise, forward)))


def test_the_models_own_input_is_never_written_into(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        y = F.relu_(x + net.body(net.stem(x))[:, :2])
        return net.stem(y)

    assert "clone" in called(without(traced(randomise, forward), "stem+body"))


def test_a_block_whose_layout_differs_is_copied(randomise) -> None:
    """A view after the block takes a contiguous tensor, and the shortcut is not."""

    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x).permute(0, 1, 3, 2)
        y = x + net.body(x.contiguous()).contiguous()
        y = y.contiguous() if not y.is_contiguous() else y
        return y.reshape(-1, 6, 16).unflatten(2, (4, 4))

    without(traced(randomise, forward))


def test_a_branch_that_writes_into_its_shortcut_stays(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        return x + net.stem(x[:, :2].mul_(0.5))

    (block,) = [one for one in find_blocks(traced(randomise, forward)) if one.branch]
    assert block.reason == "'mul_' writes into the shortcut"


def test_a_block_that_writes_into_what_others_read_stays(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = net.stem(x[:, :2].mul_(0.5))
        return F.relu(y) + x[:, :, :1]

    found = [block for block in find_blocks(traced(randomise, forward)) if block.exit == "relu"]
    assert all("writes in place into what" in (block.reason or "") for block in found)


def test_what_is_written_while_the_block_runs_keeps_it(randomise) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = net.stem(x)
        y = net.body(x)
        x[:, 0] = 1.0
        return x + y

    (block,) = [one for one in find_blocks(traced(randomise, forward)) if one.branch]
    assert block.reason is not None
    assert "writes into the block's input while the block runs" in block.reason


def test_memory_follows_views_and_what_gives_its_input_itself() -> None:
    class Aliases(nn.Module):
        def forward(self, x: Tensor) -> Tensor:
            y = F.dropout(x + 1.0, 0.5, self.training)
            return y.view(-1, 2, 4).relu_() + x

    graph = trace(Aliases(), (torch.randn(1, 2, 4),))
    memory = recall(graph.module, (torch.randn(2, 2, 4),))
    nodes = {node.name: node for node in graph.module.graph.nodes}
    (written,) = {memory.written(node) for node in nodes.values()} - {frozenset()}
    holders = {name for name, node in nodes.items() if memory.of(node) == written}
    assert {"add", "dropout", "view", "relu_"} <= holders | {"dropout"}
    assert "x" not in holders


@pytest.mark.parametrize("tail", [F.relu, F.gelu])
def test_only_a_rectifier_of_rectified_values_goes_with_its_branch(randomise, tail) -> None:
    def forward(net: Net, x: Tensor) -> Tensor:
        x = tail(net.stem(x))
        return tail(x + net.body(x))

    left = called(without(traced(randomise, forward)))
    assert left.count(tail.__name__) == (1 if tail is F.relu else 2)
