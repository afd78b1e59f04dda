"""Products of every form: einsum with and without its dots, bilinear, tensordot, vectors."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.graph.operators import RULES
from pipeline.graph.operators.entry import Operator
from pipeline.prune import apply, plan, verify

SEQUENCE = torch.randn(1, 6, 24)


def removed(planned) -> dict[str, int]:
    return {group.name: len(group.removed) for group in planned.groups if group.removed}


class Equation(nn.Module):
    """A linear layer, an einsum with a weight, a linear layer."""

    def __init__(self, text: str, shape: tuple[int, ...], into: int, out: int) -> None:
        super().__init__()
        self.text, self.one, self.two = text, nn.Linear(24, into), nn.Linear(out, 5)
        self.weight = nn.Parameter(torch.randn(shape))

    def forward(self, x: Tensor) -> Tensor:
        return self.two(torch.einsum(self.text, self.one(x), self.weight))


@pytest.mark.parametrize("text", ["btc,cd->btd", "...c,cd->...d", "...c,cd", "...c , cd -> ...d"])
def test_one_equation_in_many_forms(text: str, prove) -> None:
    half = prove(Equation(text, (12, 16), 12, 16), SEQUENCE)
    assert removed(half) == {"one.weight[0]": 6, "weight[1]": 8}
    assert half.macs_dense == 6 * (24 * 12 + 12 * 16 + 16 * 5)


def test_dots_that_broadcast(prove) -> None:
    """Two leading dimensions meet one: the weight has a matrix for every step."""
    half = prove(Equation("...c,...cd->...d", (6, 12, 16), 12, 16), SEQUENCE)
    assert removed(half) == {"one.weight[0]": 6, "weight[2]": 8}


class Blocks(nn.Module):
    """Channels in three blocks, each mixed by its own matrix."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(24, 36), nn.Linear(30, 5)
        self.weight = nn.Parameter(torch.randn(3, 12, 10))

    def forward(self, x: Tensor) -> Tensor:
        x = self.one(x).unflatten(-1, (3, 12))
        return self.two(torch.einsum("...kd,kde->...ke", x, self.weight).flatten(-2))


def test_blocks_of_channels(prove) -> None:
    assert removed(prove(Blocks(), SEQUENCE)) == {"one.weight[0]#2": 6, "weight[2]": 5}


class Towers(nn.Module):
    """Two encoders, compared in four ways."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(24, 12), nn.Linear(24, 12)
        self.bilinear, self.head = nn.Bilinear(12, 12, 10), nn.Linear(10, 3)

    def forward(self, x: Tensor) -> tuple[Tensor, ...]:
        a, b = self.one(x), self.two(x)
        near = F.cosine_similarity(a, b, dim=-1) + F.pairwise_distance(a, b)
        return near, self.head(self.bilinear(a, b)), torch.tensordot(a, self.one.weight, ([2], [0]))


def test_two_towers(prove) -> None:
    half = prove(Towers(), SEQUENCE)
    assert removed(half) == {"one.weight[0]": 6, "bilinear.weight[0]": 5}
    assert half.macs_dense == 6 * (2 * 24 * 12 + 10 * 12 * 12 + 30 + 12 * 24)


def test_an_outer_product(prove) -> None:
    class Outer(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Parameter(torch.randn(24)), nn.Parameter(torch.randn(12))
            self.head = nn.Linear(12, 3)

        def forward(self, x: Tensor) -> Tensor:
            return self.head(x @ torch.outer(self.a, self.b))

    assert removed(prove(Outer(), SEQUENCE)) == {"b[0]": 6}


def spectral() -> nn.Module:
    """Weights divided by their largest singular value, as discriminators have them."""
    normed = nn.utils.parametrizations.spectral_norm
    return nn.Sequential(
        normed(nn.Linear(24, 16)), nn.LeakyReLU(), normed(nn.Linear(16, 12)), nn.LeakyReLU(),
        normed(nn.Linear(12, 3)),
    )  # fmt: skip


def test_spectral_norm(prove) -> None:
    assert len(removed(prove(spectral(), SEQUENCE))) == 2


def test_work_on_weights_counts_once_for_every_batch() -> None:
    """Or a plan made with one batch would not fit the same model traced with another."""
    module = spectral()
    graph = trace(module, (torch.randn(1, 24),))
    made = plan(graph, macs=0.5)
    larger = trace(module, (torch.randn(5, 24),))
    assert plan(larger, macs=0.5) == made
    assert verify(larger, made, apply(larger, made), (torch.randn(7, 24),)) < 1e-4


def test_a_rule_that_gives_up_keeps_what_it_reads(prove, monkeypatch) -> None:
    """Its reason is told, its work is beyond counting, and the rest is pruned."""

    def give_up(call: object) -> list:
        raise NotImplementedError("beyond it")

    monkeypatch.setitem(RULES, "einsum", Operator(give_up, macs=give_up))
    net = nn.Sequential(Equation("btc,cd->btd", (12, 16), 12, 16), nn.ReLU(), nn.Linear(5, 16),
                        nn.ReLU(), nn.Linear(16, 3))  # fmt: skip
    half = prove(net, SEQUENCE)
    reasons = {found.name: found.reason for found in half.pinned}
    assert "gave up: beyond it" in reasons["0.one.weight[0]"]
    assert removed(half) == {"0.two.weight[0]": 2, "2.weight[0]": 8}
