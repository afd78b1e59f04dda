"""What a block's module holds besides weights stays where the rest of the graph uses it."""

import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.prune import observe_blocks, plan_blocks, without_blocks


def test_constants_of_a_module_that_loses_its_weights_stay_where_they_are_used(randomise) -> None:
    """A lifted constant is a plain attribute of its module, neither parameter nor buffer."""

    class Scaled(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(8, 8), nn.Linear(8, 8)

        def forward(self, x: Tensor) -> Tensor:
            scale = torch.tensor(0.5, dtype=torch.float64)
            return (x + self.two(torch.tanh(self.one(x)))) * scale

    module = randomise(nn.Sequential(nn.Linear(4, 8), Scaled(), nn.Linear(8, 3)))
    graph = trace(module, (torch.randn(1, 4).double(),))
    small = without_blocks(graph, plan_blocks(observe_blocks(graph), names=("1",)))
    assert set(small.module.state_dict()) == {"0.weight", "0.bias", "2.weight", "2.bias"}
    x = torch.randn(3, 4).double()
    with torch.no_grad():
        expected = module[2](0.5 * module[0](x))
    assert torch.allclose(small.module(x), expected, rtol=0, atol=1e-12)
