"""Attention, look-ups and recurrence: small nets of what language and vision models are made of."""

import torch
import torch.nn.functional as F
from torch import Tensor, nn

WORDS = torch.randint(0, 11, (1, 6), generator=torch.Generator().manual_seed(0))
SEQUENCE = torch.randn(1, 6, 24)


class Attention(nn.Module):
    """Self-attention with separate projections; `grouped` shares keys among heads."""

    def __init__(self, heads: int = 4, shared: int = 4, by_hand: bool = False) -> None:
        super().__init__()
        self.heads, self.shared, self.by_hand = heads, shared, by_hand
        self.q, self.k = nn.Linear(24, heads * 6), nn.Linear(24, shared * 6)
        self.v, self.o = nn.Linear(24, shared * 8), nn.Linear(heads * 8, 24)

    def forward(self, x: Tensor) -> Tensor:
        b, t, _ = x.shape
        q = self.q(x).view(b, t, self.heads, 6).transpose(1, 2)
        k = self.k(x).view(b, t, self.shared, 6).transpose(1, 2)
        v = self.v(x).view(b, t, self.shared, 8).transpose(1, 2)
        if self.by_hand:
            y = (q @ k.transpose(-2, -1) * 6**-0.5).softmax(-1) @ v
        else:
            y = F.scaled_dot_product_attention(q, k, v, enable_gqa=self.heads != self.shared)
        return self.o(y.transpose(1, 2).reshape(b, t, self.heads * 8))


class Block(nn.Module):
    """A transformer block before its norms, with one projection for all three."""

    def __init__(self) -> None:
        super().__init__()
        self.qkv, self.out = nn.Linear(24, 72), nn.Linear(24, 24)
        self.one, self.two = nn.LayerNorm(24), nn.LayerNorm(24)
        self.mlp = nn.Sequential(nn.Linear(24, 48), nn.GELU(), nn.Linear(48, 24))

    def forward(self, x: Tensor) -> Tensor:
        b, t, c = x.shape
        q, k, v = self.qkv(self.one(x)).reshape(b, t, 3, 3, 8).permute(2, 0, 3, 1, 4).unbind(0)
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).reshape(b, t, c))
        return x + self.mlp(self.two(x))


class Vision(nn.Module):
    """Patches, a class token, learned positions, blocks, a head on the token."""

    def __init__(self) -> None:
        super().__init__()
        self.patch = nn.Conv2d(3, 24, 4, 4)
        self.token = nn.Parameter(torch.zeros(1, 1, 24))
        self.position = nn.Parameter(torch.zeros(1, 5, 24))
        self.blocks, self.head = nn.Sequential(Block(), Block()), nn.Linear(24, 7)

    def forward(self, x: Tensor) -> Tensor:
        x = self.patch(x).flatten(2).transpose(1, 2)
        x = torch.cat([self.token.expand(x.shape[0], -1, -1), x], 1) + self.position
        return self.head(self.blocks(x)[:, 0])


class Words(nn.Module):
    """Embeddings of words and positions, attention, a tied head on the mean."""

    def __init__(self, middle: nn.Module) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(11, 24), nn.Embedding(8, 24)
        self.middle, self.head = middle, nn.Linear(24, 11)
        self.head.weight = self.words.weight

    def forward(self, x: Tensor) -> Tensor:
        y = self.words(x) + self.positions(torch.arange(x.shape[1]))
        return self.head(self.middle(y).mean(1))


class Indexed(nn.Module):
    """Channels taken by a stored list of numbers, some of them twice."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Linear(24, 12), nn.Linear(9, 5)
        self.register_buffer("order", torch.tensor([7, 0, 3, 3, 11, -2, 1, 0, 5]))

    def forward(self, x: Tensor) -> Tensor:
        return self.two(self.one(x)[..., self.order])


def removed(planned) -> dict[str, int]:
    return {group.name: len(group.removed) for group in planned.groups if group.removed}


def test_attention(prove) -> None:
    half = prove(nn.Sequential(Attention(), nn.ReLU(), nn.Linear(24, 3)), SEQUENCE)
    # The heads' own axis is narrow; each head's dimensions are halved.
    assert removed(half) == {"0.q.weight[0]": 3, "0.v.weight[0]": 4, "0.o.weight[0]": 12}


def test_attention_by_hand(prove) -> None:
    net = nn.Sequential(nn.Linear(24, 24), Attention(by_hand=True), nn.Linear(24, 3))
    assert len(removed(prove(net, SEQUENCE))) == 4


def test_grouped_queries(prove) -> None:
    net = nn.Sequential(nn.Linear(24, 24), Attention(6, 2), nn.Linear(24, 3))
    assert len(removed(prove(net, SEQUENCE))) == 4


def test_vision_transformer(prove) -> None:
    half = prove(Vision(), torch.randn(1, 3, 8, 8))
    assert half.parameters_kept < 0.55 * half.parameters_dense
    assert removed(half)["patch.weight[0]"] == 12


def test_tied_embeddings(prove) -> None:
    half = prove(Words(Block()), WORDS)
    assert removed(half)["words.weight[1]"] == 12


def test_a_stored_index(prove) -> None:
    half = prove(Indexed(), SEQUENCE)
    assert removed(half)


def test_a_list_of_numbers(prove) -> None:
    class Listed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(24, 12), nn.Linear(12, 5)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(self.one(x)[..., [3, 1, 0, 2, 7, 5, 4, 6, 9, 8, 11, 10]])

    assert removed(prove(Listed(), SEQUENCE)) == {"one.weight[0]": 6}


def test_einsum(prove) -> None:
    class Mixed(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(24, 12), nn.Linear(16, 5)
            self.weight = nn.Parameter(torch.randn(12, 16))

        def forward(self, x: Tensor) -> Tensor:
            return self.two(torch.einsum("btc,cd->btd", self.one(x), self.weight))

    assert removed(prove(Mixed(), SEQUENCE)) == {"one.weight[0]": 6, "weight[1]": 8}


def test_matmuls_of_every_rank(prove) -> None:
    class Ranks(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(24, 12), nn.Linear(10, 5)
            self.square, self.vector = (
                nn.Parameter(torch.randn(12, 10)),
                nn.Parameter(torch.randn(10)),
            )

        def forward(self, x: Tensor) -> Tensor:
            y = self.one(x) @ self.square
            z = torch.addmm(self.vector, self.one(x)[:, 0], self.square)
            return self.two(y) * (y @ self.vector)[..., None] + self.two(z)[:, None]

    assert removed(prove(Ranks(), SEQUENCE)) == {"one.weight[0]": 6, "square[1]": 5}
