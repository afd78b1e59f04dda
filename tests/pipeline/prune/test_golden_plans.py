"""Golden plans: what is decided for a few small nets, to the last channel.

A refactor proves itself when these do not change. Where a change is meant, run this file as a
program: it writes them again, and the difference is read before it is kept.
"""

import json
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.graph.groups import survey
from pipeline.prune import PrunePlan, plan
from pipeline.prune.sensitivity import Sensitivity

GOLDEN = Path(__file__).parent / "golden"


class Residual(nn.Module):
    """Two stages with a projection, a depthwise layer and a concat at the end."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.norm = nn.Conv2d(3, 16, 3, padding=1), nn.BatchNorm2d(16)
        self.one, self.two = nn.Conv2d(16, 24, 3, padding=1), nn.Conv2d(24, 16, 3, padding=1)
        self.down, self.across = nn.Conv2d(16, 32, 3, 2, 1), nn.Conv2d(32, 32, 3, 1, 1, groups=32)
        self.head = nn.Linear(48, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        x = x + self.two(self.one(x).relu())
        y = self.across(self.down(x)).relu()
        return self.head(torch.cat([x.mean((2, 3)), y.mean((2, 3))], 1))


class Attention(nn.Module):
    """Heads that multiply with head dimensions, in a residual stream with a gated layer."""

    def __init__(self) -> None:
        super().__init__()
        self.embed, self.norm = nn.Linear(12, 48), nn.LayerNorm(48)
        self.query, self.key, self.value = (nn.Linear(48, 48) for _ in range(3))
        self.out, self.gate, self.up = nn.Linear(48, 48), nn.Linear(48, 64), nn.Linear(48, 64)
        self.down, self.head = nn.Linear(64, 48), nn.Linear(48, 5)

    def forward(self, x: Tensor) -> Tensor:
        x = self.embed(x)
        y = self.norm(x)
        q, k, v = (
            one(y).unflatten(2, (6, 8)).transpose(1, 2)
            for one in (self.query, self.key, self.value)
        )
        x = x + self.out(F.scaled_dot_product_attention(q, k, v).transpose(1, 2).flatten(2))
        x = x + self.down(F.silu(self.gate(x)) * self.up(x))
        return self.head(x.mean(1))


class Dense(nn.Module):
    """Every layer reads all that came before."""

    def __init__(self) -> None:
        super().__init__()
        widths = (12, 20, 28, 36)
        self.layers = nn.ModuleList(
            nn.Conv2d(width, 12 if number == 0 else 8, 3, padding=1)
            for number, width in enumerate((3, *widths[:3]))
        )
        self.head = nn.Linear(widths[3], 6)

    def forward(self, x: Tensor) -> Tensor:
        x = self.layers[0](x).relu()
        for layer in list(self.layers)[1:]:
            x = torch.cat([x, layer(x).relu()], 1)
        return self.head(x.mean((2, 3)))


def traced(module: nn.Module, *inputs: Tensor) -> Graph:
    """Weights from a formula: the same on every machine and for every release of torch."""
    for number, tensor in enumerate(module.parameters()):
        wave = np.sin(np.arange(tensor.numel(), dtype=np.float64) * (number + 1) * 0.37)
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(wave * (1 + wave)).reshape(tensor.shape))
    return trace(module.eval(), inputs)


NETS: dict[str, Callable[[], Graph]] = {
    "residual": lambda: traced(Residual(), torch.zeros(1, 3, 16, 16)),
    "attention": lambda: traced(Attention(), torch.zeros(1, 10, 12)),
    "dense": lambda: traced(Dense(), torch.zeros(1, 3, 8, 8)),
}


def table(graph: Graph) -> Sensitivity:
    """Divergences from a formula: convex in the width, and different for every group."""
    found = survey(graph)
    sizes = zip(found.names, map(len, found.members), strict=True)
    return Sensitivity(
        divergence={
            name: {w: (1 + number % 3) * (size / w - 1) ** 2 / 8 for w in range(2, size, 2)}
            for number, (name, size) in enumerate(sizes)
        }
    )


def plans(graph: Graph) -> dict[str, PrunePlan]:
    """A plan per strategy and per kind of target."""
    return {
        "uniform-ratio": plan(graph, ratio=0.4),
        "uniform-macs": plan(graph, macs=0.5, multiple=4),
        "global-params": plan(graph, params=0.5, strategy="global"),
        "sensitivity-macs": plan(graph, macs=0.5, strategy="sensitivity", sensitivity=table(graph)),
        "bounded-bytes": plan(
            graph,
            size_bytes=int(2.5 * plan(graph, ratio=0.0).parameters_dense),
            keep=survey(graph).names[-1:],
            bounds={"*": (0.25, 1.0)},
        ),
    }


@pytest.mark.parametrize("net", NETS)
def test_the_plans_have_not_changed(net: str) -> None:
    made = {name: json.loads(one.model_dump_json()) for name, one in plans(NETS[net]()).items()}
    assert made == json.loads((GOLDEN / f"{net}.json").read_text())


if __name__ == "__main__":
    for net, build in NETS.items():
        documents = {name: one.model_dump(mode="json") for name, one in plans(build()).items()}
        (GOLDEN / f"{net}.json").write_text(json.dumps(documents, indent=1) + "\n")
