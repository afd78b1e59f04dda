"""Models of sequences: recurrent nets, an encoder, an encoder-decoder, a decoder with rotary
embeddings and grouped queries; and recommenders, which look up embeddings."""

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

WIDTH, HEADS, EACH, WORDS = 24, 4, 6, 13


def words(count: int = 6) -> Tensor:
    return torch.randint(0, WORDS, (1, count), generator=torch.Generator().manual_seed(count))


class Attention(nn.Module):
    """Multi-head attention of one sequence over another, perhaps causal."""

    def __init__(self) -> None:
        super().__init__()
        self.q, self.k, self.v = (nn.Linear(WIDTH, WIDTH) for _ in range(3))
        self.out = nn.Linear(WIDTH, WIDTH)

    def forward(
        self, x: Tensor, over: Tensor, mask: Tensor | None = None, causal: bool = False
    ) -> Tensor:
        q, k, v = (
            layer(y).view(*y.shape[:2], HEADS, EACH).transpose(1, 2)
            for layer, y in ((self.q, x), (self.k, over), (self.v, over))
        )
        y = F.scaled_dot_product_attention(q, k, v, attn_mask=mask, is_causal=causal)
        return self.out(y.transpose(1, 2).flatten(2))


class Layer(nn.Module):
    """Attention to itself, to another sequence where there is one, and two linear layers."""

    def __init__(self, crossed: bool = False, causal: bool = False) -> None:
        super().__init__()
        self.own, self.crossed = Attention(), Attention() if crossed else None
        self.norms = nn.ModuleList(nn.LayerNorm(WIDTH) for _ in range(3))
        self.wide, self.narrow, self.causal = nn.Linear(WIDTH, 48), nn.Linear(48, WIDTH), causal

    def forward(self, x: Tensor, over: Tensor | None = None, mask: Tensor | None = None) -> Tensor:
        x = self.norms[0](x + self.own(x, x, mask, self.causal))
        if self.crossed is not None and over is not None:
            x = self.norms[1](x + self.crossed(x, over))
        return self.norms[2](x + self.narrow(F.gelu(self.wide(x))))


class Embedded(nn.Module):
    """Words and positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.positions = nn.Embedding(WORDS, WIDTH), nn.Embedding(16, WIDTH)
        self.norm = nn.LayerNorm(WIDTH)

    def forward(self, x: Tensor) -> Tensor:
        return self.norm(self.words(x) + self.positions(torch.arange(x.shape[1])))


class Bert(nn.Module):
    """An encoder with a padding mask; its pooler reads the first word."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded, self.layers = Embedded(), nn.ModuleList(Layer() for _ in range(2))
        self.pooler, self.head = nn.Linear(WIDTH, 32), nn.Linear(32, 3)

    def forward(self, x: Tensor, present: Tensor) -> Tensor:
        mask = torch.where(present > 0, 0.0, -1e4)[:, None, None].to(self.head.weight.dtype)
        y = self.embedded(x)
        for layer in self.layers:
            y = layer(y, mask=mask)
        return self.head(self.pooler(y[:, 0]).tanh())


class Translator(nn.Module):
    """An encoder and a decoder that reads it; the words' embedding is tied to the head."""

    def __init__(self) -> None:
        super().__init__()
        self.embedded, self.encoder = Embedded(), Layer()
        self.decoder, self.last = Layer(crossed=True, causal=True), Layer(True, True)
        self.head = nn.Linear(WIDTH, WORDS, bias=False)
        self.head.weight = self.embedded.words.weight

    def forward(self, source: Tensor, target: Tensor) -> Tensor:
        read = self.encoder(self.embedded(source))
        return self.head(self.last(self.decoder(self.embedded(target), read), read))


class RmsNorm(nn.Module):
    """Scales by the root of the mean square."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(WIDTH))

    def forward(self, x: Tensor) -> Tensor:
        return self.weight * x * torch.rsqrt(x.pow(2).mean(-1, keepdim=True) + 1e-6)


def turned(x: Tensor) -> Tensor:
    a, b = x.chunk(2, -1)
    return torch.cat([-b, a], -1)


class Rotary(nn.Module):
    """Grouped queries and keys turned by their positions (Llama)."""

    def __init__(self, shared: int) -> None:
        super().__init__()
        self.shared = shared
        self.q, self.out = nn.Linear(WIDTH, HEADS * 8, False), nn.Linear(HEADS * 8, WIDTH, False)
        self.k, self.v = (nn.Linear(WIDTH, shared * 8, bias=False) for _ in range(2))
        self.register_buffer("rates", 100.0 ** -(torch.arange(4) / 4))

    def forward(self, x: Tensor) -> Tensor:
        angles = torch.arange(x.shape[1])[:, None] * self.rates
        angles = torch.cat([angles, angles], -1)
        cos, sin = angles.cos(), angles.sin()
        q, k, v = (
            layer(x).view(*x.shape[:2], -1, 8).transpose(1, 2) for layer in (self.q, self.k, self.v)
        )
        q, k = (y * cos + turned(y) * sin for y in (q, k))
        y = F.scaled_dot_product_attention(q, k, v, is_causal=True, enable_gqa=self.shared != HEADS)
        return self.out(y.transpose(1, 2).flatten(2))


class Decoder(nn.Module):
    """RMS norms, rotary grouped queries, gated linear units (SwiGLU), a head of its own."""

    def __init__(self, shared: int) -> None:
        super().__init__()
        self.words = nn.Embedding(WORDS, WIDTH)
        self.norms = nn.ModuleList(RmsNorm() for _ in range(5))
        self.attention = nn.ModuleList(Rotary(shared) for _ in range(2))
        self.gate, self.up = (
            nn.ModuleList(nn.Linear(WIDTH, 40, bias=False) for _ in range(2)) for _ in range(2)
        )
        self.down = nn.ModuleList(nn.Linear(40, WIDTH, bias=False) for _ in range(2))
        self.head = nn.Linear(WIDTH, WORDS, bias=False)

    def forward(self, x: Tensor) -> Tensor:
        y = self.words(x)
        for i in range(2):
            y = y + self.attention[i](self.norms[2 * i](y))
            z = self.norms[2 * i + 1](y)
            y = y + self.down[i](F.silu(self.gate[i](z)) * self.up[i](z))
        return self.head(self.norms[4](y))


class Recurrent(nn.Module):
    """A projection, two recurrent layers, a head on the last step."""

    def __init__(self, kind: type, both_ways: bool) -> None:
        super().__init__()
        self.into = nn.Linear(10, 16)
        self.layer = kind(16, 20, 2, batch_first=True, bidirectional=both_ways)
        self.head = nn.Linear(40 if both_ways else 20, 5)

    def forward(self, x: Tensor) -> Tensor:
        y, _ = self.layer(F.relu(self.into(x)))
        return self.head(y[:, -1])


class TwoTowers(nn.Module):
    """Users and items meet in a cosine."""

    def __init__(self) -> None:
        super().__init__()
        self.user, self.item = nn.Embedding(WORDS, 16), nn.Embedding(WORDS, 16)
        self.age = nn.Linear(3, 16)
        self.towers = nn.ModuleList(
            nn.Sequential(nn.Linear(16, 32), nn.ReLU(), nn.Linear(32, 12)) for _ in range(2)
        )

    def forward(self, user: Tensor, features: Tensor, item: Tensor) -> Tensor:
        a = self.towers[0](self.user(user) + self.age(features))
        b = self.towers[1](self.item(item))
        return (F.normalize(a, dim=-1) * F.normalize(b, dim=-1)).sum(-1)


class Dlrm(nn.Module):
    """Bags of embeddings and dense features; all pairs of their products feed the last layers."""

    def __init__(self) -> None:
        super().__init__()
        self.bags = nn.ModuleList(nn.EmbeddingBag(WORDS, 16, mode=m) for m in ("sum", "mean"))
        self.dense = nn.Sequential(nn.Linear(5, 32), nn.ReLU(), nn.Linear(32, 16), nn.ReLU())
        rows, columns = torch.tril_indices(3, 3, -1)
        self.register_buffer("pairs", rows * 3 + columns)
        self.top = nn.Sequential(nn.Linear(19, 32), nn.ReLU(), nn.Linear(32, 1))

    def forward(self, dense: Tensor, one: Tensor, two: Tensor) -> Tensor:
        x = self.dense(dense)
        z = torch.stack([x, self.bags[0](one), self.bags[1](two)], 1)
        products = (z @ z.transpose(1, 2)).flatten(1)[:, self.pairs]
        return self.top(torch.cat([x, products], 1)).sigmoid()


def sequence() -> tuple[Tensor, ...]:
    return (torch.randn(1, 8, 10),)


CASES = {
    "lstm": (lambda: Recurrent(nn.LSTM, True), sequence),
    "gru": (lambda: Recurrent(nn.GRU, False), sequence),
    "bert": (Bert, lambda: (words(), torch.tensor([[1, 1, 1, 1, 0, 0]]))),
    "translator": (Translator, lambda: (words(5), words(7))),
    "decoder": (lambda: Decoder(HEADS), lambda: (words(),)),
    "decoder-grouped": (lambda: Decoder(2), lambda: (words(),)),
    "decoder-one-key": (lambda: Decoder(1), lambda: (words(),)),
    "two-towers": (
        TwoTowers, lambda: (torch.tensor([3]), torch.randn(1, 3), torch.tensor([5])),
    ),
    "dlrm": (Dlrm, lambda: (torch.randn(1, 5), words(4), words(3))),
}  # fmt: skip


@pytest.mark.parametrize("name", CASES)
def test_pruned(name: str, journey) -> None:
    make, inputs = CASES[name]
    journey(make(), *inputs())


@pytest.mark.slow
@pytest.mark.parametrize("name", CASES)
def test_exported(name: str, journey, exported) -> None:
    make, inputs = CASES[name]
    exported(journey(make(), *inputs()))
