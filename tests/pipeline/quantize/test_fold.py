"""Folding batch norms: the same function, the same names, a bias for every weight."""

import torch
from torch import Tensor, nn
from torch.nn import functional

from pipeline.graph import trace
from pipeline.quantize import quantize
from pipeline.quantize.fold import bias_of, fold, weighted
from pipeline.recipe import Quantize

aten = torch.ops.aten


def test_a_folded_graph_computes_the_same(digits) -> None:
    folded = fold(digits.graph)
    assert not [node for node in folded.module.graph.nodes if "batch_norm" in str(node.target)]
    with torch.no_grad():
        expected = digits.graph.module(digits.images[:20])
        # float32 rounds each weight once more, in nine layers: 9 * 2^-24, with room for growth.
        torch.testing.assert_close(
            folded.module(digits.images[:20]),
            expected,
            rtol=0,
            atol=1e-5 * float(expected.abs().max()),
        )


def test_folding_twice_changes_nothing(digits) -> None:
    once = fold(digits.graph)
    twice = fold(once)
    assert twice.module.code == once.module.code
    before, after = once.module.state_dict(), twice.module.state_dict()
    assert list(before) == list(after)
    assert all(torch.equal(one, after[name]) for name, one in before.items())


def test_each_use_of_a_shared_weight_has_its_own_bias() -> None:
    class Twice(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.both = nn.Conv2d(4, 4, 1, bias=False)

        def forward(self, x: Tensor) -> Tensor:
            return self.both(torch.relu(self.both(x)))

    folded = fold(trace(Twice(), (torch.zeros(1, 4, 8, 8),)))
    assert [bias_of(node) for node in weighted(folded.module)] == [
        "both.weight_bias",
        "both.weight_bias_again",
    ]


def test_a_weight_that_is_no_parameter_is_quantized_too() -> None:
    class Blurred(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("kernel", torch.full((3, 1, 3, 3), 1 / 9))
            self.head = nn.Conv2d(3, 4, 1)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(functional.conv2d(x, self.kernel, padding=1, groups=3))

    torch.manual_seed(0)
    images = torch.rand(8, 3, 8, 8)
    plan = quantize(trace(Blurred(), (images[:1],)), [(images,)], Quantize()).plan
    assert {entry.weight for entry in plan.weights} == {"kernel", "head.weight"}
    assert plan.floats == ()
