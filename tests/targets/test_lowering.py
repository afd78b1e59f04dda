"""Lowered operators compute what the operators do."""

import pytest
import torch
from torch import Tensor, nn
from torch.nn import functional

from targets.lowering import ALL_ATTENTION, ATEN, GROUPED_ATTENTION, attention, lower
from targets.lowering import ungrouped_attention as ungrouped

SETTINGS = [
    {},
    {"scale": 0.3},
    {"is_causal": True},
    {"attn_mask": torch.randn(1, 4, 5, 5)},
    {"attn_mask": torch.ones(5, 5, dtype=torch.bool).tril(1)},
]


def draw(heads: int) -> Tensor:
    return torch.randn(2, heads, 5, 6, dtype=torch.float64)


@pytest.mark.parametrize("lowered", [attention, ungrouped])
@pytest.mark.parametrize("settings", SETTINGS, ids=lambda found: ", ".join(found) or "plain")
@pytest.mark.parametrize("shared", [4, 2, 1])
def test_attention(lowered, settings: dict[str, object], shared: int) -> None:
    q, k, v = draw(4), draw(shared), draw(shared)
    mask = settings.get("attn_mask")
    if isinstance(mask, Tensor) and mask.is_floating_point():
        settings = {**settings, "attn_mask": mask.double()}
    settings = {**settings, "enable_gqa": shared != 4}
    expected = functional.scaled_dot_product_attention(q, k, v, **settings)
    # Sums of six float64 products in another order.
    torch.testing.assert_close(lowered(q, k, v, **settings), expected, rtol=1e-12, atol=1e-12)


class Bags(nn.Module):
    def __init__(self, mode: str, **settings: object) -> None:
        super().__init__()
        self.bag = nn.EmbeddingBag(11, 4, mode=mode, **settings)

    def forward(self, x: Tensor) -> Tensor:
        return self.bag(x)


def exported(module: nn.Module, *inputs: Tensor) -> torch.fx.GraphModule:
    return torch.export.export(module.eval(), inputs).module(check_guards=False)


def targets(module: nn.Module) -> set[object]:
    return {node.target for node in module.graph.nodes}


@pytest.mark.parametrize("mode", ["sum", "mean", "max"])
def test_bags_of_one_size(mode: str) -> None:
    words = torch.randint(0, 11, (3, 5))
    graph = exported(Bags(mode), words)
    lowered = lower(graph, {})
    assert ATEN.embedding_bag.padding_idx in targets(graph)
    assert ATEN.embedding_bag.padding_idx not in targets(lowered)
    # Sums of five float32 numbers in another order.
    torch.testing.assert_close(lowered(words), graph(words), rtol=1e-6, atol=1e-6)


def test_bags_with_padding_stay_for_the_converter_to_refuse() -> None:
    graph = exported(Bags("sum", padding_idx=0), torch.randint(0, 11, (3, 5)))
    assert ATEN.embedding_bag.padding_idx in targets(lower(graph, {}))


def test_a_graph_without_them_is_left_alone() -> None:
    graph = exported(nn.Linear(3, 2), torch.randn(1, 3))
    assert lower(graph, ALL_ATTENTION) is graph


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.project = nn.Linear(6, 6)

    def forward(self, x: Tensor) -> Tensor:
        return functional.scaled_dot_product_attention(self.project(x), x, x)


def test_parameters_are_shared_and_the_graph_given_stays() -> None:
    graph = exported(Attending(), torch.randn(1, 2, 5, 6))
    operator = ATEN.scaled_dot_product_attention.default
    for lowerings in (ALL_ATTENTION, GROUPED_ATTENTION):
        lowered = lower(graph, lowerings)
        assert operator in targets(graph)
        assert operator not in targets(lowered)
        assert lowered.project.weight is graph.project.weight
