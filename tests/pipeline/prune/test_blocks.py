"""Blocks: found by structure, taken out soundly, each node equal to the masked reference."""

from collections.abc import Callable
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import (
    Block,
    BlockPlan,
    PrunePlan,
    apply,
    find_blocks,
    observe_blocks,
    plan,
    plan_blocks,
    verify,
    without_blocks,
)
from pipeline.prune.reference import differences
from targets.errors import ArtifactError

IMAGE = (1, 3, 8, 8)
TOLERANCE = 1e-9  # see conftest.py


class Basic(nn.Module):
    """A ResNet's block: identity or projection shortcut, rectified in place or not."""

    def __init__(self, into: int, out: int, stride: int = 1, inplace: bool = False) -> None:
        super().__init__()
        self.conv1, self.bn1 = nn.Conv2d(into, out, 3, stride, 1), nn.BatchNorm2d(out)
        self.conv2, self.bn2 = nn.Conv2d(out, out, 3, 1, 1), nn.BatchNorm2d(out)
        self.inplace = inplace
        self.project = nn.Conv2d(into, out, 1, stride) if (into, stride) != (out, 1) else None

    def forward(self, x: Tensor) -> Tensor:
        y = F.relu(self.bn1(self.conv1(x)), self.inplace)
        y = self.bn2(self.conv2(y))
        x = x if self.project is None else self.project(x)
        if self.inplace:
            y += x
            return F.relu_(y)
        return F.relu(x + y)


class PreActivated(nn.Module):
    """Norm and rectifier before each convolution."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.bn1, self.conv1 = nn.BatchNorm2d(width), nn.Conv2d(width, 12, 3, 1, 1)
        self.bn2, self.conv2 = nn.BatchNorm2d(12), nn.Conv2d(12, width, 3, 1, 1)

    def forward(self, x: Tensor) -> Tensor:
        y = self.conv1(F.relu(self.bn1(x)))
        return x + self.conv2(F.relu(self.bn2(y), inplace=True))


class Inverted(nn.Module):
    """MobileNetV2's inverted residual."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.expand, self.depth = nn.Conv2d(width, 24, 1), nn.Conv2d(24, 24, 3, 1, 1, groups=24)
        self.reduce, self.norm = nn.Conv2d(24, width, 1), nn.BatchNorm2d(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.norm(self.reduce(F.relu6(self.depth(F.relu6(self.expand(x))))))


class Nested(nn.Module):
    """A residual branch that holds another."""

    def __init__(self, width: int) -> None:
        super().__init__()
        self.before, self.inner = nn.Conv2d(width, width, 1), PreActivated(width)

    def forward(self, x: Tensor) -> Tensor:
        return x + self.inner(torch.tanh(self.before(x)))


class Convolutional(nn.Module):
    """A stem, blocks, and a pooled head."""

    def __init__(self, *blocks: nn.Module, width: int = 8, out: int | None = None) -> None:
        super().__init__()
        self.stem, self.blocks = nn.Conv2d(3, width, 3, 1, 1), nn.Sequential(*blocks)
        self.head = nn.Linear(out or width, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.blocks(F.relu(self.stem(x))).mean((2, 3)))


class Layer(nn.Module):
    """A transformer's layer, with layer scale, norms before or after."""

    def __init__(self, width: int = 8, heads: int = 2, post: bool = False) -> None:
        super().__init__()
        self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
        self.qkv, self.out = nn.Linear(width, 3 * width), nn.Linear(width, width)
        self.fc1, self.fc2 = nn.Linear(width, 20), nn.Linear(20, width)
        self.gamma = nn.Parameter(torch.ones(width))
        self.heads, self.post = heads, post

    def attend(self, x: Tensor) -> Tensor:
        batch, length, width = x.shape
        shape = (batch, length, 3, self.heads, width // self.heads)
        q, k, v = self.qkv(x).reshape(shape).permute(2, 0, 3, 1, 4).unbind(0)
        y = F.scaled_dot_product_attention(q, k, v).transpose(1, 2)
        return self.gamma * self.out(y.reshape(batch, length, width))

    def forward(self, x: Tensor) -> Tensor:
        if self.post:
            x = self.norm1(x + self.attend(x))
            return self.norm2(x + self.fc2(F.gelu(self.fc1(x))))
        x = x + self.attend(self.norm1(x))
        return x + self.fc2(F.gelu(self.fc1(self.norm2(x))))


class Transformer(nn.Module):
    """Embedded tokens, layers, and a head on their mean."""

    def __init__(self, *layers: nn.Module) -> None:
        super().__init__()
        self.embed, self.layers = nn.Linear(6, 8), nn.Sequential(*layers)
        self.head = nn.Linear(8, 5)

    def forward(self, x: Tensor) -> Tensor:
        return self.head(self.layers(self.embed(x)).mean(1))


NETS: dict[str, tuple[Callable[[], nn.Module], tuple[int, ...], set[str]]] = {
    "identity": (
        lambda: Convolutional(Basic(8, 8), Basic(8, 8)), IMAGE, {"blocks.0", "blocks.1"},
    ),
    "in place": (
        lambda: Convolutional(Basic(8, 8, 1, True), Basic(8, 8, 1, True)),
        IMAGE, {"blocks.0", "blocks.1"},
    ),
    "projection": (
        lambda: Convolutional(Basic(8, 8), Basic(8, 16, 2), Basic(16, 16), out=16),
        IMAGE, {"blocks.0", "blocks.1.conv2+bn2", "blocks.2"},
    ),
    "pre-activation": (
        lambda: Convolutional(PreActivated(8), PreActivated(8)), IMAGE, {"blocks.0", "blocks.1"},
    ),
    "inverted": (
        lambda: Convolutional(Inverted(8), Inverted(8)), IMAGE, {"blocks.0", "blocks.1"},
    ),
    "nested": (
        lambda: Convolutional(Nested(8), Nested(8)),
        IMAGE, {f"blocks.{i}{part}" for i in (0, 1) for part in ("", ".inner")},
    ),
    "plain": (
        lambda: Convolutional(nn.Conv2d(8, 8, 3, 1, 1), nn.BatchNorm2d(8), nn.ReLU(True)),
        IMAGE, {"blocks"},
    ),
    "transformer": (
        lambda: Transformer(Layer(), Layer()), (1, 4, 6),
        {f"layers.{i}.{part}" for i in (0, 1) for part in ("gamma+norm1+qkv+out", "norm2+fc1+fc2")},
    ),
    "post-norm": (
        lambda: Transformer(Layer(post=True)), (1, 4, 6),
        {f"layers.0.{part}" for part in
         ("gamma+qkv+out", "gamma+norm1+qkv+out", "fc1+fc2", "norm2+fc1+fc2")},
    ),
}  # fmt: skip


def chosen(graph: Graph, *names: str) -> tuple[BlockPlan, ...]:
    return plan_blocks(observe_blocks(graph), names=names)


def largest(graph: Graph) -> list[str]:
    """Blocks that do not overlap, the largest first."""
    taken: list[Block] = []
    for block in sorted(find_blocks(graph), key=lambda block: -len(block.nodes)):
        if block.reason is None and not any(map(block.overlaps, taken)):
            taken.append(block)
    return [block.name for block in taken]


def planned(graph: Graph, blocks: tuple[BlockPlan, ...], ratio: float = 0.5) -> PrunePlan:
    return plan(graph, ratio=ratio, blocks=blocks)


def prove(graph: Graph, made: PrunePlan, shape: tuple[int, ...]) -> Graph:
    small = apply(graph, made)
    inputs = (torch.randn(3, *shape[1:], generator=torch.Generator().manual_seed(0)).double(),)
    found = differences(graph, made, small, inputs)
    worst = max(found, key=lambda name: found[name])
    assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"
    assert verify(graph, made, small, inputs) <= TOLERANCE
    return small


@pytest.fixture
def net(randomise) -> Callable[[str], tuple[Graph, tuple[int, ...]]]:
    def build(name: str) -> tuple[Graph, tuple[int, ...]]:
        make, shape, _ = NETS[name]
        torch.manual_seed(0)
        return trace(randomise(make()), (torch.randn(shape).double(),)), shape

    return build


@pytest.mark.parametrize("name", NETS)
def test_blocks_are_found_by_the_names_of_their_parameters(name: str, net) -> None:
    found = find_blocks(net(name)[0])
    assert {block.name for block in found if block.reason is None} == NETS[name][2]
    assert find_blocks(net(name)[0]) == found  # a fresh trace


@pytest.mark.parametrize("name", NETS)
def test_each_block_alone_equals_the_reference(name: str, net) -> None:
    graph, shape = net(name)
    for block in find_blocks(graph):
        if block.reason is None:
            small = prove(graph, planned(graph, chosen(graph, block.name)), shape)
            again = trace(small.module, graph.inputs)
            x = torch.randn(3, *shape[1:]).double()
            assert torch.equal(again.module(x), small.module(x))


@pytest.mark.parametrize("name", NETS)
def test_all_blocks_and_half_the_channels(name: str, net) -> None:
    graph, shape = net(name)
    blocks = chosen(graph, *largest(graph))
    made = planned(graph, blocks)
    small = prove(graph, made, shape)
    assert any(group.removed for group in made.groups)
    count = sum(parameter.numel() for parameter in small.module.parameters())
    assert count == made.parameters_kept
    whole = sum(parameter.numel() for parameter in graph.module.parameters())
    assert whole == made.parameters_dense
    gone = {tensor for tensor in small.module.state_dict() if tensor.startswith("blocks.0")}
    assert not gone or name == "plain"
    small.module(torch.randn(4, *shape[1:]).double()).sum().backward()
    assert all(parameter.grad is not None for parameter in small.module.parameters())


def test_a_projection_stays_and_says_why(net) -> None:
    graph, _ = net("projection")
    (projection,) = [block for block in find_blocks(graph) if block.reason is not None]
    assert projection.name == "blocks.1"
    told = "takes [8, 8, 8] and gives [16, 4, 4], and only what keeps its shape can go"
    assert projection.reason == told
    made = BlockPlan(
        name="blocks.1", removed=True, macs=projection.macs, parameters=projection.parameters
    )
    with pytest.raises(ArtifactError, match=r"blocks\.1 can't go: it takes"):
        without_blocks(graph, (made,))


def test_nothing_removed_is_the_same_graph(net) -> None:
    graph, _ = net("identity")
    assert without_blocks(graph, ()) is graph
    assert without_blocks(graph, chosen(graph)) is graph


def test_a_plan_with_blocks_is_saved_and_replays_on_a_fresh_trace(net, tmp_path: Path) -> None:
    graph, _ = net("transformer")
    made = planned(graph, chosen(graph, "layers.0.norm2+fc1+fc2"))
    made.save(tmp_path / "plan.json")
    loaded = PrunePlan.load(tmp_path / "plan.json")
    assert loaded == made
    one, other = apply(graph, made).module.state_dict(), apply(net("transformer")[0], loaded)
    assert all(torch.equal(one[key], value) for key, value in other.module.state_dict().items())
    assert one.keys() == other.module.state_dict().keys()


def test_another_models_blocks_are_refused(net) -> None:
    graph, _ = net("identity")
    foreign = chosen(net("inverted")[0], "blocks.0")
    with pytest.raises(ArtifactError, match=r"another model: block blocks\.0 has other numbers"):
        without_blocks(graph, foreign)
    with pytest.raises(ArtifactError, match="another model: the model lacks block blocks"):
        without_blocks(graph, chosen(net("plain")[0], "blocks"))


def test_overlapping_blocks_are_refused(net) -> None:
    graph, _ = net("nested")
    both = [p.model_copy(update={"removed": True}) for p in chosen(graph, "blocks.0")][:2]
    with pytest.raises(ArtifactError, match="overlap: remove one of them"):
        without_blocks(graph, both)
