"""Whole groups of grouped convolutions: an axis of their own that multiplies with their width."""

import copy
from collections.abc import Callable

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, fx, nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.graph.operators.entry import bind
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.importance import CalibrationData, observe
from pipeline.prune.reference import differences
from pipeline.prune.repair import repair_told

TOLERANCE = 1e-9  # see conftest.py
IMAGE = (1, 3, 8, 8)
Randomise = Callable[..., nn.Module]
PlanOfAny = Callable[[Graph, PrunePlan, int], PrunePlan]


def classifier(channels: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(channels, 3))


class Bottleneck(nn.Module):
    """ResNeXt: 1x1, grouped 3x3, 1x1, and a shortcut."""

    def __init__(self, channels: int, inner: int, groups: int) -> None:
        super().__init__()
        self.narrow = nn.Sequential(nn.Conv2d(channels, inner, 1), nn.BatchNorm2d(inner))
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=groups, bias=False)
        self.norm, self.wide = nn.BatchNorm2d(inner), nn.Conv2d(inner, channels, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.norm(self.mix(self.narrow(x).relu())).relu()
        return x + self.wide(y)


class Shuffled(nn.Module):
    """ShuffleNet: grouped 1x1, shuffle, depthwise, grouped 1x1, and a shortcut."""

    def __init__(self, channels: int, inner: int, groups: int) -> None:
        super().__init__()
        self.narrow = nn.Conv2d(channels, inner, 1, groups=groups)
        self.mix = nn.Conv2d(inner, inner, 3, padding=1, groups=inner)
        self.wide = nn.Conv2d(inner, channels, 1, groups=groups)
        self.groups = groups

    def forward(self, x: Tensor) -> Tensor:
        y = self.narrow(x).relu()
        batch, channels, height, width = y.shape
        y = y.view(batch, self.groups, channels // self.groups, height, width)
        y = y.transpose(1, 2).reshape(batch, channels, height, width)
        return F.relu(x + self.wide(self.mix(y)))


class Stream(nn.Module):
    """Grouped convolutions with different numbers of groups on one residual stream."""

    def __init__(self, channels: int, *groups: int) -> None:
        super().__init__()
        self.layers = nn.ModuleList(
            nn.Conv2d(channels, channels, 3, padding=1, groups=number) for number in groups
        )

    def forward(self, x: Tensor) -> Tensor:
        for layer in self.layers:
            x = F.relu(x + layer(x))
        return x


class Branches(nn.Module):
    """Groups that are made by branches of their own."""

    def __init__(self) -> None:
        super().__init__()
        self.one, self.two = nn.Conv2d(3, 18, 1), nn.Conv2d(3, 12, 1)
        self.mix = nn.Conv2d(30, 20, 3, padding=1, groups=10)

    def forward(self, x: Tensor) -> Tensor:
        return self.mix(torch.cat([self.one(x), self.two(x)], 1).relu())


def around(layer: nn.Module, into: int, out: int, rank: int = 2) -> nn.Sequential:
    """A pointwise convolution before and after a layer."""
    conv = (nn.Conv1d, nn.Conv2d, nn.Conv3d)[rank - 1]
    pool = (nn.AdaptiveAvgPool1d, nn.AdaptiveAvgPool2d, nn.AdaptiveAvgPool3d)[rank - 1]
    head = nn.Sequential(conv(out, 4, 1), pool(1), nn.Flatten())
    return nn.Sequential(conv(3, into, 1), nn.ReLU(), layer, nn.ReLU(), head)


# The net, the shape of its input, and the sizes of the axes of groups.
NETS: dict[str, tuple[nn.Module, tuple[int, ...], tuple[int, ...]]] = {
    "resnext": (
        nn.Sequential(nn.Conv2d(3, 16, 1), Bottleneck(16, 32, 8), classifier(16)), IMAGE, (8,)
    ),
    "shuffled": (
        nn.Sequential(nn.Conv2d(3, 18, 1), Shuffled(18, 36, 6), Shuffled(18, 36, 6)), IMAGE, ()
    ),
    "shuffled, then pointwise": (
        nn.Sequential(nn.Conv2d(3, 18, 1), Shuffled(18, 36, 6), nn.Conv2d(18, 4, 1)), IMAGE, (6,)
    ),
    "stream": (nn.Sequential(nn.Conv2d(3, 24, 1), Stream(24, 6, 6), classifier(24)), IMAGE, (6,)),
    "groups of groups": (
        nn.Sequential(nn.Conv2d(3, 36, 1), Stream(36, 6, 18), classifier(36)), IMAGE, (3, 6)
    ),
    "branches": (nn.Sequential(Branches(), classifier(20)), IMAGE, (4, 6)),
    "group norm": (
        around(nn.Sequential(nn.Conv2d(24, 30, 3, groups=6), nn.GroupNorm(6, 30)), 24, 30),
        IMAGE, (6,),
    ),
    "finer group norm": (
        around(nn.Sequential(nn.Conv2d(24, 48, 3, groups=6), nn.GroupNorm(12, 48)), 24, 48),
        IMAGE, (6,),
    ),
    "flattened": (
        nn.Sequential(
            nn.Conv2d(3, 24, 1), nn.Conv2d(24, 12, 3, 2, 1, groups=6), nn.Flatten(),
            nn.Linear(192, 3),
        ),
        IMAGE, (6,),
    ),
    "one dimension": (around(nn.Conv1d(24, 30, 3, groups=6), 24, 30, 1), (1, 3, 9), (6,)),
    "three dimensions": (around(nn.Conv3d(24, 12, 3, groups=6), 24, 12, 3), (1, 3, 4, 4, 4), (6,)),
    "transposed": (around(nn.ConvTranspose2d(24, 30, 2, 2, groups=6), 24, 30), IMAGE, (6,)),
    "transposed, one dimension": (
        around(nn.ConvTranspose1d(24, 12, 2, 2, groups=6), 24, 12, 1), (1, 3, 9), (6,)
    ),
    "transposed, three dimensions": (
        around(nn.ConvTranspose3d(24, 12, 2, 2, groups=6), 24, 12, 3), (1, 3, 3, 3, 3), (6,)
    ),
}  # fmt: skip


def axes_of_groups(graph: Graph) -> list[int]:
    """The sizes of the groups whose channels are a convolution's groups."""
    found = survey(graph)
    terms, made = found.labelled.terms, found.labelled.known.divided.values()
    atoms = {atom for axes in made for axis in axes if axis is not None
             for one in terms.atoms(axis) for atom in one}  # fmt: skip
    return [len(members) for members in found.members if atoms >= set(members)]


@pytest.mark.parametrize("name", NETS)
def test_whole_groups_go(name: str, prove, randomise: Randomise, plan_of_any: PlanOfAny) -> None:
    """Together with channels inside the groups, and without; every node equals the reference."""
    net, shape, sizes = NETS[name]
    prove(copy.deepcopy(net), torch.randn(shape))
    graph = trace(randomise(copy.deepcopy(net)), (torch.zeros(shape).double(),))
    assert sorted(axes_of_groups(graph)) == list(sizes)
    inputs = (torch.randn(3, *shape[1:]).double(),)
    for seed in range(3):
        chosen = plan_of_any(graph, plan(graph, ratio=0.5), seed)
        found = differences(graph, chosen, apply(graph, chosen), inputs)
        worst = max(found, key=lambda node: found[node])
        assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"


def convolutions(graph: Graph) -> list[tuple[int, tuple[int, ...]]]:
    """The groups and the weight's shape of every grouped convolution."""
    nodes = [bind(n) for n in graph.module.graph.nodes if str(n.target).startswith("aten.conv")]
    weights = dict(graph.module.named_parameters())
    grouped = [one for one in nodes if one["groups"] != 1]
    return [(one["groups"], tuple(weights[_name(one["weight"])].shape)) for one in grouped]


def _name(node: object) -> str:
    assert isinstance(node, fx.Node)
    return str(node.target)


@pytest.fixture
def resnext(randomise: Randomise) -> Graph:
    net = nn.Sequential(nn.Conv2d(3, 16, 1), Bottleneck(16, 48, 8), classifier(16))
    return trace(randomise(net), (torch.zeros(IMAGE).double(),))


def removing(graph: Graph, **removed: tuple[int, ...]) -> PrunePlan:
    nothing = plan(graph, ratio=0.0)
    groups = [one.model_copy(update={"removed": removed.get(name, ())})
              for one, name in zip(nothing.groups, ("stream", "groups", "into", "out"), strict=True)
              ]  # fmt: skip
    return nothing.model_copy(update={"groups": tuple(groups)})


def test_groups_and_their_width_are_axes_of_their_own(resnext: Graph) -> None:
    chosen = plan(resnext, ratio=0.5)
    assert [(one.name, one.size) for one in chosen.groups[1:]] == [
        ("1.narrow.0.weight[0]", 8),
        ("1.narrow.0.weight[0]#2", 6),
        ("1.mix.weight[0]", 6),
    ]
    small = apply(resnext, removing(resnext, groups=(0, 5, 6), into=(1, 2), out=(4,)))
    assert convolutions(small) == [(5, (25, 4, 3, 3))]
    assert convolutions(apply(resnext, removing(resnext, groups=(2,)))) == [(7, (42, 6, 3, 3))]
    only = apply(resnext, removing(resnext, groups=tuple(range(7))))
    assert tuple(only.module.get_parameter("1.mix.weight").shape) == (6, 6, 3, 3)


def test_a_uniform_ratio_takes_one_of_two_axes_that_multiply(resnext: Graph) -> None:
    """As for heads and their dimensions: half of both would be a quarter."""
    removed = [len(one.removed) for one in plan(resnext, ratio=0.5).groups]
    assert removed == [8, 4, 0, 0]


def test_a_target_on_cost_weighs_both(resnext: Graph) -> None:
    chosen = plan(resnext, macs=0.3, strategy="global")
    assert chosen.macs_kept <= 0.3 * chosen.macs_dense
    assert all(one.removed for one in chosen.groups[1:])


def test_groups_that_do_not_divide_each_other_stay_and_lose_what_they_can_inside(
    randomise: Randomise,
) -> None:
    """A shuffle of 3 groups of 8, and 2 and 3 groups on one stream: no box is left by whole
    groups, so labels are those of indices inside the groups."""
    odd = nn.Sequential(nn.Conv2d(3, 24, 1), Shuffled(24, 24, 3), nn.Conv2d(24, 4, 1))
    graph = trace(randomise(odd), (torch.zeros(IMAGE).double(),))
    assert axes_of_groups(graph) == []
    assert [len(one) for one in survey(graph).members] == [8, 1]
    mixed = nn.Sequential(nn.Conv2d(3, 24, 1), Stream(24, 6, 4), classifier(24))
    graph = trace(randomise(mixed), (torch.zeros(IMAGE).double(),))
    assert survey(graph).labelled.known.undivided == {"conv2d_1", "conv2d_2"}
    assert [len(one) for one in survey(graph).members] == [2]


def test_a_group_is_worth_what_its_readers_lose(resnext: Graph) -> None:
    """Reconstruction error: a group that nobody reads goes first, however much it gives."""
    with torch.no_grad():
        resnext.module.get_parameter("1.mix.weight")[12:18] *= 10
        resnext.module.get_parameter("1.wide.weight")[:, 12:18] = 0
    batches = tuple(((torch.randn(8, *IMAGE[1:]).double(),), torch.zeros(8)) for _ in range(2))
    found = observe(resnext, survey(resnext), "obs", CalibrationData(batches))
    scores = found.groups[1].scores
    assert len(scores) == 8
    assert min(range(8), key=scores.__getitem__) == 2


def test_repair_reads_the_groups_that_are_left(resnext: Graph) -> None:
    chosen = removing(resnext, groups=(1, 4), into=(0,))
    small = apply(resnext, chosen)
    batches = [(torch.randn(16, *IMAGE[1:]).double(),) for _ in range(2)]
    found = repair_told(resnext, small, chosen, batches)
    assert {"conv2d_2", "conv2d_3"} <= set(found.solved)
    (given,) = batches[0]
    expected = resnext.module(given)
    error, before = (
        (graph.module(given) - expected).square().mean() for graph in (found.graph, small)
    )
    assert error < before
