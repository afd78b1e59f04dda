"""What the groups of a graph become when its blocks go."""

from collections.abc import Callable

import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.prune.block_effects import descent, effect_of
from pipeline.prune.blocks import look_for_blocks
from pipeline.prune.removable import Effect
from pipeline.prune.skipping import take_out


class Joining(nn.Module):
    """A layer of 16 that reads a concat of 10 and 6."""

    def __init__(self) -> None:
        super().__init__()
        self.a, self.b = nn.Conv2d(3, 10, 3, padding=1), nn.Conv2d(3, 6, 3, padding=1)
        self.mix, self.last = nn.Conv2d(16, 16, 1), nn.Conv2d(16, 8, 1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = torch.cat([self.a(x), self.b(x)], 1)
        return self.head(self.last(self.mix(x)).relu().mean((2, 3)))


class Early(nn.Module):
    """A layer of the input's own shape."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Conv2d(8, 8, 3, padding=1), nn.Conv2d(8, 12, 1)
        self.head = nn.Linear(12, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.second(self.first(x)).relu().mean((2, 3)))


Nets = Callable[[str], Graph]
OWN = {"joining": (Joining, 3), "early": (Early, 8)}


@pytest.fixture(scope="module")
def net(graph_of: Nets) -> Nets:
    """The nets of this file, and those that it shares with others."""

    def graph(name: str) -> Graph:
        if name not in OWN:
            return graph_of(name)
        build, channels = OWN[name]
        return trace(build().eval(), (torch.zeros(1, channels, 8, 8),))

    return graph


def effects(graph: Graph) -> dict[str, Effect]:
    blocks = look_for_blocks(graph)
    return {one.name: effect_of(graph, blocks, one) for one in blocks.found if one.reason is None}


def test_what_a_branch_alone_holds_goes_with_it(net: Nets) -> None:
    found = effects(net("residual"))
    assert found["one+two"] == Effect(gone=("one.weight[0]",))
    assert found["up+down"] == Effect(gone=("up.weight[0]",))


def test_without_a_layer_its_readers_follow_what_it_read(net: Nets) -> None:
    one, two, three = (f"layers.{number}.weight[0]" for number in range(3))
    found = effects(net("plain"))
    assert found["layers.1"] == Effect(joined=((one, two),), survivors=(one,))
    assert found["layers.2"] == Effect(joined=((two, three),), survivors=(two,))


def test_what_would_be_parts_of_others_must_stay_whole(net: Nets) -> None:
    found = effects(net("joining"))
    assert found["mix"] == Effect(held=("mix.weight[0]",))


def test_what_would_be_pinned_must_stay_whole(net: Nets) -> None:
    found = effects(net("early"))
    assert found["first"] == Effect(held=("first.weight[0]",))


@pytest.mark.parametrize(
    ("name", "going", "sources"),
    [
        ("residual", ("one+two",), ["stem", "up", "wide", "a"]),
        ("residual", ("one+two", "up+down"), ["stem", "wide", "a"]),
        ("plain", ("layers.1", "layers.2"), ["layers.0", "layers.3"]),
        ("joining", ("mix",), ["a", "b", "last"]),
    ],
)
def test_groups_that_remain_know_where_they_come_from(
    net: Nets, name: str, going: tuple[str, ...], sources: list[str]
) -> None:
    graph = net(name)
    blocks = look_for_blocks(graph)
    rest = take_out(graph, blocks, [one for one in blocks.found if one.name in going])
    assert descent(survey(graph), survey(rest)).sources == tuple(
        f"{one}.weight[0]" for one in sources
    )


def test_a_graph_that_lost_nothing_is_what_it_was(net: Nets) -> None:
    whole = survey(net("plain"))
    found = descent(whole, whole)
    assert found.sources == whole.names
    assert found.effect == Effect()


class Heads(nn.Module):
    """Two branches with groups that multiply, added to a stream."""

    def __init__(self) -> None:
        super().__init__()
        self.embed = nn.Linear(8, 24)
        self.inner = nn.ModuleList(nn.Linear(24, 48) for _ in range(2))
        self.out = nn.ModuleList(nn.Linear(6, 24) for _ in range(2))
        self.head = nn.Linear(24, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        for inner, out in zip(self.inner, self.out, strict=True):
            x = x + out(inner(x).unflatten(-1, (8, 6)).mean(-2))
        return self.head(x)


def test_groups_that_share_their_indices_are_told_apart() -> None:
    graph = trace(Heads().eval(), (torch.zeros(1, 8),))
    whole = survey(graph)
    assert [len(atoms) for atoms in whole.members] == [24, 8, 6, 8, 6]
    blocks = look_for_blocks(graph)
    rest = survey(take_out(graph, blocks, blocks.found[:1]))
    found = descent(whole, rest)
    assert found.sources == (whole.names[0], *whole.names[3:])
    assert found.effect == Effect(gone=whole.names[1:3])
    assert descent(whole, whole).sources == whole.names
