"""Property: whatever operators follow each other, pruned and reference agree at every node.

Nets of convolutions with random operators between them, joined now and then by a sum or a concat.
"""

from collections.abc import Callable
from dataclasses import dataclass

import torch
import torch.nn.functional as F
from hypothesis import given, settings
from hypothesis import strategies as st
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.prune import PrunePlan, apply, plan
from pipeline.prune.reference import differences

TOLERANCE = 1e-9  # see conftest.py
Function = Callable[[Tensor], Tensor]
ORDER = [3, 1, 0, 2, 7, 5, 4, 6, 0, 8, 11, 10]


def last(function: Function) -> Function:
    """The same with channels last."""
    return lambda x: function(x.permute(0, 2, 3, 1)).permute(0, 3, 1, 2)


def attend(x: Tensor) -> Tensor:
    """Positions attend to each other; channels are four heads."""
    q = x.flatten(2).view(x.shape[0], 4, -1, 16).transpose(2, 3)
    y = F.scaled_dot_product_attention(q, q.tanh(), q.relu())
    return y.transpose(2, 3).reshape(x.shape)


def take_apart(x: Tensor) -> Tensor:
    a, b, c = x.view(x.shape[0], 3, -1, 4, 4).unbind(1)
    return a * b.sigmoid() + c


def windows(x: Tensor) -> Tensor:
    x = x.view(x.shape[0], -1, 2, 2, 2, 2).permute(0, 2, 4, 1, 3, 5)
    x = x.softmax(-1).permute(0, 3, 1, 4, 2, 5)
    return x.reshape(x.shape[0], -1, 4, 4)


# What looks at a channel's place keeps them all.
EXPECTED = ["softmax", "cumulated", "rolled channels", "distances"]

# From 12 channels of 4×4 to any number of channels of 4×4.
OPERATORS: dict[str, Function] = {
    "relu": F.relu_,
    "swish": F.silu,
    "hardsigmoid": F.hardsigmoid,
    "power": lambda x: x.abs().add(0.1).pow(0.7),
    "rsub": lambda x: torch.rsub(x, 1.5),
    "clamped": lambda x: x.clamp_min(-0.2),
    "addcmul": lambda x: torch.addcmul(x, x, x, value=0.3),
    "layer norm": last(lambda x: F.layer_norm(x, x.shape[-1:])),
    "rms norm": last(lambda x: F.rms_norm(x, x.shape[-1:])),
    "group norm": lambda x: F.group_norm(x, 3),
    "instance norm": F.instance_norm,
    "vector norm": lambda x: F.normalize(x, dim=1),
    "maximum": lambda x: x - x.amax(1, keepdim=True),
    "softmax": lambda x: x.softmax(1) * x,
    "cumulated": lambda x: x.cumsum(1),
    "cumulated in space": lambda x: x.cumsum(2),
    "rolled": lambda x: x.roll((1, 2), (2, 3)),
    "rolled channels": lambda x: x.roll(1, 1),
    "attended": attend,
    "taken apart": take_apart,
    "windows": windows,
    "halves": lambda x: torch.cat(x.chunk(2, 1)[::-1], 1),
    "split": lambda x: torch.cat(x.split([5, 3, 4], 1)[1:], 1),
    "every second": lambda x: x[:, ::2],
    "padded": lambda x: F.pad(x, (0, 0, 0, 0, 1, 2), value=0.4),
    "stacked": lambda x: torch.stack([x, x.exp()], 2).flatten(1, 2),
    "tiled": lambda x: x.tile(1, 2, 1, 1),
    "repeated": lambda x: x.repeat_interleave(2, 1),
    "shuffled": lambda x: x.view(x.shape[0], 3, 4, 4, 4).transpose(1, 2).reshape(x.shape),
    "flipped": lambda x: x.flip(1),
    "indexed": lambda x: x[:, ORDER],
    "selected": lambda x: x.index_select(1, torch.tensor([4, 4, 0, 9])),
    "gathered": lambda x: x.gather(3, x.argsort(3)),
    "unfolded": lambda x: x.unfold(2, 3, 1).mean(-1).repeat(1, 1, 2, 1),
    "pixels": lambda x: F.pixel_unshuffle(F.pixel_shuffle(x, 2), 2),
    "interpolated": lambda x: F.interpolate(F.avg_pool2d(x, 2), scale_factor=2, mode="bilinear"),
    "einsum": lambda x: torch.einsum("bchw,bchv->bcwv", x, x),
    "largest": lambda x: x.topk(2, 3).values.repeat(1, 1, 1, 2),
    "weighed": lambda x: x * torch.where(x > 0, 1.2, 0.3).type_as(x),
    "masked": lambda x: x.masked_fill(torch.ones(4, 4).tril() == 0, -1.0),
    "scaled": lambda x: x / (x.std(1, keepdim=True) + 0.5),
    "distances": lambda x: torch.cdist(x, x)[..., :4],  # has no rule: pinned, and still right
}


@dataclass(frozen=True)
class Step:
    """An operator, and how its result meets what came before."""

    name: str
    joined: str


class Chain(nn.Module):
    """Convolution, operator, convolution, and so on; a linear head."""

    def __init__(self, steps: list[Step]) -> None:
        super().__init__()
        self.stem, self.steps = nn.Conv2d(2, 12, 1), steps
        self.mixing = nn.ModuleList()
        width = 12
        for step in steps:
            out = OPERATORS[step.name](torch.rand(2, 12, 4, 4)).shape[1]
            self.mixing.append(nn.Conv2d(out + width * (step.joined == "concat"), 12, 1))
            width = 12
        self.head = nn.Linear(12, 3)

    def forward(self, x: Tensor) -> Tensor:
        x = self.stem(x)
        for step, mixing in zip(self.steps, self.mixing, strict=True):
            y = OPERATORS[step.name](x.clone())
            y = mixing(torch.cat([y, x], 1) if step.joined == "concat" else y)
            x = x + y if step.joined == "sum" else y
        return self.head(x.mean((2, 3)))


steps = st.lists(
    st.builds(Step, st.sampled_from(sorted(OPERATORS)), st.sampled_from(("", "sum", "concat"))),
    min_size=2, max_size=5,
)  # fmt: skip


@settings(max_examples=40, deadline=None, derandomize=True)
@given(steps=steps, seed=st.integers(0, 10_000))
def test_every_node_of_random_operators_equals_the_reference(
    randomise: Callable[..., nn.Module],
    random_plan: Callable[[PrunePlan, int], PrunePlan],
    steps: list[Step],
    seed: int,
) -> None:
    graph = trace(randomise(Chain(steps), seed), (torch.zeros(1, 2, 4, 4).double(),))
    chosen = random_plan(plan(graph, ratio=0.5), seed)
    small = apply(graph, chosen)
    inputs = (torch.randn(3, 2, 4, 4, generator=torch.Generator().manual_seed(seed)).double(),)
    found = differences(graph, chosen, small, inputs)
    worst = max(found, key=lambda name: found[name])
    assert found[worst] <= TOLERANCE, f"{worst} differs by {found[worst]}"


def test_every_operator_alone(randomise: Callable[..., nn.Module]) -> None:
    """None is missed by chance; all but those that look at channels' places prune something."""
    kept = []
    for name in OPERATORS:
        graph = trace(randomise(Chain([Step(name, "")])), (torch.zeros(1, 2, 4, 4).double(),))
        chosen = plan(graph, ratio=0.5)
        found = differences(graph, chosen, apply(graph, chosen), (torch.rand(2, 2, 4, 4).double(),))
        assert max(found.values()) <= TOLERANCE, name
        if "stem.weight[0]" in {pinned.name for pinned in chosen.pinned}:
            kept.append(name)
    assert kept == EXPECTED
