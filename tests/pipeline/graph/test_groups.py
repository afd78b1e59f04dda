"""Channel groups: names, shares, and reasons for what is pinned."""

import torch
import torch.nn.functional as F
from pytest import approx
from torch import Tensor, nn

from pipeline.graph import groups, trace
from pipeline.graph.groups import survey
from pipeline.graph.operators import RULES

IMAGE = torch.randn(1, 3, 8, 8)


class Residual(nn.Module):
    """A stem, one residual block, a head."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 8, 1, bias=False)
        self.inner = nn.Conv2d(8, 16, 1, bias=False)
        self.outer = nn.Conv2d(16, 8, 1, bias=False)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        x = x + self.outer(self.inner(x).relu())
        return self.head(x.mean((2, 3)))


def test_names_sizes_and_reach() -> None:
    found = groups(trace(Residual(), (IMAGE,)))
    stream, inner = found.groups
    assert (stream.name, stream.size) == ("stem.weight[0]", 8)
    assert stream.parameters == (
        "stem.weight[0]", "inner.weight[1]", "outer.weight[0]", "head.weight[1]",
    )  # fmt: skip
    assert (inner.name, inner.size) == ("inner.weight[0]", 16)
    assert {pinned.name: pinned.reason for pinned in found.pinned} == {
        "stem.weight[1]": "the model's input 'x' never changes shape",
        "head.weight[0]": "the model's output never changes shape",
    }


def test_shares() -> None:
    stream, inner = groups(trace(Residual(), (IMAGE,))).groups
    macs, weights = 64 * (24 + 128 + 128) + 40, 24 + 128 + 128 + 45
    assert stream.macs_share == approx(1.0)  # everything reads or writes the stream
    assert inner.macs_share == approx(64 * 256 / macs)
    assert inner.parameters_share == approx(256 / weights)
    assert stream.parameters_share == approx((weights - 5) / weights)  # the head's bias stays


def test_a_padding_shortcut_gives_two_groups_of_one_dimension() -> None:
    class Padded(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Conv2d(3, 8, 1), nn.Conv2d(8, 14, 1)
            self.head = nn.Conv2d(14, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            x = self.one(x)
            return self.head(F.pad(x, (0, 0, 0, 0, 2, 4)) + self.two(x))

    found = groups(trace(Padded(), (IMAGE,))).groups
    assert [(group.name, group.size) for group in found] == [
        ("one.weight[0]", 8),
        ("two.weight[0]", 6),
    ]


def test_parts_of_one_dimension_are_numbered() -> None:
    class Parts(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one = nn.Conv2d(3, 15, 1)
            self.a, self.b = nn.Conv2d(5, 2, 1), nn.Conv2d(10, 2, 1)

        def forward(self, x: Tensor) -> Tensor:
            a, b = self.one(x).split([5, 10], 1)
            return self.a(a) + self.b(b)

    found = groups(trace(Parts(), (IMAGE,))).groups
    assert [(group.name, group.size) for group in found] == [
        ("one.weight[0]", 5),
        ("one.weight[0]#2", 10),
    ]


def test_an_unknown_operator_is_named_as_the_reason() -> None:
    class Unknown(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.one, self.two = nn.Linear(3, 8), nn.Linear(4, 2)

        def forward(self, x: Tensor) -> Tensor:
            return self.two(torch.cdist(self.one(x), torch.ones(4, 8)))

    found = groups(trace(Unknown(), (torch.randn(1, 6, 3),)))
    assert not found.groups
    reasons = {pinned.name: pinned.reason for pinned in found.pinned}
    assert "no rule for 'aten.cdist" in reasons["one.weight[0]"]


def test_groups_are_the_same_for_every_trace() -> None:
    assert groups(trace(Residual(), (IMAGE,))) == groups(
        trace(Residual(), (torch.randn(3, 3, 8, 8),))
    )


def test_every_rule_names_an_operator_that_exists() -> None:
    """A misspelt entry would never be found."""
    unknown = [name for name in RULES if not hasattr(torch.ops.aten, name)]
    assert not unknown


def test_a_survey_is_kept_while_the_graph_stays() -> None:
    graph = trace(Residual(), (IMAGE,))
    first = survey(graph)
    with torch.no_grad():
        graph.module.head.weight.zero_()
    assert survey(graph) is first
    assert survey(graph.copy()) is not first
    graph.module.inner.weight = nn.Parameter(torch.randn(16, 8, 1, 1))
    assert survey(graph) is not first


def test_batches_of_several_sizes_are_surveyed_once_each() -> None:
    graph = trace(Residual().eval(), (IMAGE,))
    whole, rest = (torch.randn(count, 3, 8, 8) for count in (4, 2))
    found = [survey(graph.taking((batch,))) for batch in (IMAGE, whole, rest)]
    assert len({id(one) for one in found}) == 3
    for batch, known in zip((rest, IMAGE, whole), (found[2], found[0], found[1]), strict=True):
        assert survey(graph.taking((batch,))) is known
