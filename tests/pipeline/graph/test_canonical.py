"""Fused projections are split first: the same numbers, and values free of queries and keys."""

from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.graph import groups, trace

Parts = Callable[[Tensor], tuple[Tensor, ...]]


class Attention(nn.Module):
    """One projection; `parts` takes queries, keys and values out of it, heads first."""

    def __init__(self, parts: Parts, width: int = 24) -> None:
        super().__init__()
        self.parts, self.qkv, self.out = parts, nn.Linear(8, 3 * width), nn.Linear(width, 5)

    def forward(self, x: Tensor) -> Tensor:
        q, k, v = self.parts(self.qkv(x))
        y = F.scaled_dot_product_attention(q, k, v)
        return self.out(y.transpose(1, 2).flatten(2))


def unbound(x: Tensor) -> tuple[Tensor, ...]:
    return x.view(*x.shape[:2], 3, 4, 6).permute(2, 0, 3, 1, 4).unbind(0)


def selected(x: Tensor) -> tuple[Tensor, ...]:
    x = x.reshape(x.shape[0], -1, 3, 4, 6).permute(2, 0, 3, 1, 4)
    return x[0], x[1], x[-1]


def transposed(x: Tensor) -> tuple[Tensor, ...]:
    x = x.view(*x.shape[:2], 3, 4, 6).transpose(1, 3)  # batch, heads, parts, positions, width
    return x.unbind(2)


def in_place(x: Tensor) -> tuple[Tensor, ...]:
    return tuple(part.transpose(1, 2) for part in x.view(*x.shape[:2], 3, 4, 6).unbind(2))


def innermost(x: Tensor) -> tuple[Tensor, ...]:
    """Heads outside, parts inside: no contiguous split gives them."""
    return x.view(*x.shape[:2], 4, 3, 6).permute(3, 0, 2, 1, 4).unbind(0)


def also_whole(x: Tensor) -> tuple[Tensor, ...]:
    """Something else reads all three at once."""
    x = x.view(*x.shape[:2], 3, 4, 6).permute(2, 0, 3, 1, 4)
    q, k, v = x.unbind(0)
    return q, k, v + x.mean(0)


@pytest.mark.parametrize("parts", [unbound, selected, transposed, in_place])
def test_split_first(parts: Parts) -> None:
    module = Attention(parts)
    graph = trace(module, (torch.randn(1, 7, 8),))
    assert graph.dynamic_batch
    targets = [str(node.target) for node in graph.module.graph.nodes]
    assert "aten.split_with_sizes.default" in targets
    assert not any("unbind" in target or "select" in target for target in targets)
    x = torch.randn(3, 7, 8)
    # The same sums in the same order; only their places in memory differ.
    torch.testing.assert_close(graph.module(x), module(x), rtol=1e-6, atol=1e-6)
    assert [group.size for group in groups(graph).groups] == [6, 4, 6]


@pytest.mark.parametrize("parts", [innermost, also_whole])
def test_left_as_it_is(parts: Parts) -> None:
    graph = trace(Attention(parts), (torch.randn(1, 7, 8),))
    assert "split_with_sizes" not in graph.module.code
    assert groups(graph).groups


def test_every_node_has_its_metadata() -> None:
    """Quantizers and exporters read each node's fake tensor."""
    graph = trace(Attention(unbound), (torch.randn(1, 7, 8),)).module.graph
    for node in graph.nodes:
        assert node.op == "output" or "val" in node.meta, node.name
