"""Entries looked up, and entries put where an index says: graphs of nodes and edges."""

import torch
from torch import Tensor, nn

NODES = torch.randn(1, 5, 24)


def removed(planned) -> dict[str, int]:
    return {group.name: len(group.removed) for group in planned.groups if group.removed}


class Messages(nn.Module):
    """Message passing along stored edges: gather both ends, mix, add up at the target."""

    def __init__(self, way: str) -> None:
        super().__init__()
        self.way = way
        self.into, self.mix = nn.Linear(24, 16), nn.Linear(32, 20)
        self.update, self.head = nn.Linear(36, 16), nn.Linear(16, 3)
        self.register_buffer("source", torch.tensor([0, 1, 2, 3, 4, 0]))
        self.register_buffer("target", torch.tensor([1, 2, 3, 4, 0, 2]))

    def forward(self, x: Tensor) -> Tensor:
        x = self.into(x).relu()
        messages = self.mix(torch.cat([x[:, self.source], x[:, self.target]], -1)).relu()
        x = x + self.update(torch.cat([x, self.gathered(messages)], -1))
        return self.head(x.max(1).values)

    def gathered(self, messages: Tensor) -> Tensor:
        nothing = messages.new_zeros(messages.shape[0], 5, 20)
        index = self.target.view(1, -1, 1).expand(messages.shape[0], -1, 20)
        match self.way:
            case "added":
                return nothing.index_add(1, self.target, messages)
            case "added in place":
                return nothing.index_add_(1, self.target, messages)
            case "scattered":
                return nothing.scatter_add(1, index, messages)
            case _:
                return nothing.scatter_reduce(1, index, messages, "amax")


def test_messages_between_nodes(prove) -> None:
    for way in ("added", "added in place", "scattered", "reduced"):
        half = prove(Messages(way), NODES)
        assert removed(half) == {"into.weight[0]": 8, "mix.weight[0]": 10}, way
        assert not [p for p in half.pinned if "rule" in p.reason]


def test_entries_named_along_a_dimension(prove) -> None:
    class Along(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(24, 16), nn.Linear(16, 3)

        def forward(self, x: Tensor) -> Tensor:
            y = self.one(x)
            return self.two(torch.take_along_dim(y, y.argsort(1), 1))

    half = prove(Along(), NODES)
    assert removed(half) == {"one.weight[0]": 8}
