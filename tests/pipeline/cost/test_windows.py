import pytest
import torch
from torch import nn

from pipeline.cost.making import pruned
from pipeline.cost.reading import Reading, read
from pipeline.cost.stairs import NO_BLOCKS
from pipeline.cost.windows import around
from pipeline.graph.trace import Graph, trace
from targets.errors import ConversionError

GROUP = "second.conv1.weight[0]"


def sites_of(reading: Reading, group: str) -> list[str]:
    return [site.name for site in reading.model.sites if group in site.groups()]


def test_a_window_holds_its_sites_and_their_neighbours(graph: Graph, reading: Reading) -> None:
    window = around(graph, reading, sites_of(reading, GROUP))
    weights = {name.rpartition(".")[0] for name, _ in window.module.named_parameters()}
    assert {"second.conv1", "second.conv2"} < weights
    assert {"first.conv2", "third.conv1"} < weights
    assert "head" not in weights
    assert [tuple(one.shape) for one in window.inputs] == [(1, 16, 8, 8), (1, 32, 8, 8)]
    with torch.no_grad():
        outputs = window.module(*window.inputs)
    assert all(torch.isfinite(one).all() for one in outputs)


def test_a_window_is_pruned_by_its_own_group(graph: Graph, reading: Reading) -> None:
    window = around(graph, reading, sites_of(reading, GROUP))
    small = pruned(window, NO_BLOCKS, {GROUP: 8}, ())
    present = reading.present(small)
    first, second = sites_of(reading, GROUP)
    assert present[first] == (16.0, 8.0)
    assert present[second] == (8.0, 16.0)
    assert len(present) < len(reading.model.sites)


class Indexing(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.table = nn.Embedding(10, 16)
        self.layer = nn.Linear(16, 8)

    def forward(self, x):
        return self.layer(self.table(x))


def test_a_window_that_needs_indices_says_so() -> None:
    indexing = trace(Indexing(), (torch.zeros(1, 3, dtype=torch.int64),))
    reading = read(indexing)
    with pytest.raises(ConversionError, match="it is no float tensor"):
        around(indexing, reading, [reading.model.sites[0].name])
