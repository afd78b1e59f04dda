"""Where multiply-accumulates are done: node by node, and all of them together."""

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.graph.groups import survey
from pipeline.graph.work import macs_by_node


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.apart = nn.Conv2d(8, 8, 3, padding=1, groups=8)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(torch.relu(self.apart(self.stem(x))).mean((2, 3)))


@pytest.mark.parametrize("batch", [1, 3])
def test_work_is_counted_for_one_sample_at_the_node_that_does_it(batch: int) -> None:
    graph = trace(Net(), (torch.zeros(batch, 3, 16, 16),))
    found = macs_by_node(graph)
    assert found == {
        "conv2d": 8 * 8 * 8 * 3 * 9,
        "conv2d_1": 8 * 8 * 8 * 9,
        "linear": 8 * 5,
    }
    census = survey(graph).census
    assert sum(found.values()) == census.count_macs(census.everything())
