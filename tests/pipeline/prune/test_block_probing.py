"""Blocks measured after repair."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import CalibrationData, apply, measure_blocks, observe_blocks, plan, plan_blocks
from pipeline.prune.block_effects import effect_of
from pipeline.prune.blocks import look_for_blocks
from pipeline.prune.probing import divergence
from targets.errors import TaskError


class Residual(nn.Module):
    """A stream with two branches: one that matters less, one that must stay."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 12, 3, padding=1)
        self.one, self.two = nn.Conv2d(12, 8, 3, padding=1), nn.Conv2d(8, 12, 3, padding=1)
        self.wide, self.last = nn.Conv2d(12, 16, 3, 2, 1), nn.Conv2d(16, 16, 3, padding=1)
        self.head = nn.Linear(16, 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x).relu()
        x = x + self.two(self.one(x).relu())
        x = self.wide(x).relu()
        return self.head(self.last(x).relu().mean((2, 3)))


@pytest.fixture(scope="module")
def graph() -> Graph:
    torch.manual_seed(0)
    return trace(Residual().eval(), (torch.randn(1, 3, 8, 8),))


@pytest.fixture(scope="module")
def data() -> CalibrationData:
    torch.manual_seed(1)
    return CalibrationData((((torch.randn(64, 3, 8, 8),), torch.zeros(64)),), None)


def test_repair_makes_blocks_lose_less(graph: Graph, data: CalibrationData) -> None:
    told: list[tuple[str, float]] = []
    listed = observe_blocks(graph)
    found = measure_blocks(graph, data, progress=lambda *one: told.append(one))
    assert [one.name for one in found.blocks] == [one.name for one in listed.blocks]
    branch = next(one for one in found.blocks if one.name == "one+two")
    raw = apply(graph, plan(graph, blocks=plan_blocks(listed, names=["one+two"])))
    assert branch.divergence is not None
    assert 0 < branch.divergence < divergence(graph, raw, [one for one, _ in data.batches])
    assert told[-1] == (f"divergence without {found.blocks[-1].name}", 1.0)


def test_the_evidence_is_complete(graph: Graph, data: CalibrationData) -> None:
    blocks = look_for_blocks(graph)
    own = {one.name: one for one in blocks.found}
    weights = graph.module.state_dict()
    before = {name: tensor.clone() for name, tensor in weights.items()}
    for block in measure_blocks(graph, data).blocks:
        if block.reason is None:
            assert block.effect == effect_of(graph, blocks, own[block.name])
        else:
            assert (block.divergence, block.effect) == (None, None)
    assert all(torch.equal(before[name], tensor) for name, tensor in weights.items())


def test_data_of_another_shape_are_refused(graph: Graph) -> None:
    with pytest.raises(TaskError, match="batch 1, input 1: the model takes"):
        measure_blocks(graph, CalibrationData((((torch.zeros(4, 3, 5, 8),), None),), None))
