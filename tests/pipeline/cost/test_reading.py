import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.cost.making import pruned
from pipeline.cost.reading import Reading, read
from pipeline.graph.trace import Graph, trace
from pipeline.prune.block_evidence import observe_blocks


def test_a_layer_takes_in_what_follows_it(reading: Reading) -> None:
    kinds = [site.kind for site in reading.model.sites]
    assert kinds[0] == "conv2d [3,8,8] [a,3,3,3] [a] > [a,8,8] + relu"
    assert kinds[1] == "conv2d [a,8,8] [b,a,3,3] > [b,8,8] + batch_norm + relu"
    assert kinds[2] == "conv2d [a,8,8] [b,a,3,3] > [b,8,8] + batch_norm + add + relu"
    assert len(set(kinds)) < len(kinds)


def test_sites_go_with_their_blocks(reading: Reading) -> None:
    blocks = [site.blocks for site in reading.model.sites]
    assert blocks[0] == ()
    assert blocks[1] == blocks[2] == ("first",)


def test_work_is_counted_per_example(reading: Reading) -> None:
    kind = reading.model.kinds[reading.model.sites[1].kind]
    assert kind.work[0].at((16, 32)) == 16 * 32 * 9 * 64
    assert kind.read[0].at((16, 32)) == 16 * 64
    assert kind.written[0].at((16, 32)) == 32 * 64
    assert kind.matrices[0].at((16, 32)) == 16 * 32 * 9


def test_the_whole_graph_has_the_models_widths(graph: Graph, reading: Reading) -> None:
    assert reading.present(graph) == reading.model.present({})


@pytest.mark.parametrize("seed", range(4))
def test_a_pruned_graph_has_the_widths_that_its_groups_say(
    graph: Graph, reading: Reading, seed: int
) -> None:
    generator = np.random.default_rng(seed)
    groups = reading.model.groups
    widths = {name: int(generator.integers(2, size + 1)) for name, size in groups.items()}
    blocks = ("second",) if seed % 2 else ()
    widths = {name: width for name, width in widths.items() if not (blocks and "second" in name)}
    small = pruned(graph, observe_blocks(graph), widths, blocks)
    assert reading.present(small) == reading.model.present(widths, blocks)


def test_what_is_alive_while_a_site_runs(reading: Reading) -> None:
    names = [site.name for site in reading.model.sites]
    assert reading.model.moments[0] == (names[0],)
    assert set(reading.model.moments[2]) == {names[0], names[1], names[2]}


class Attending(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(32)
        self.qkv = nn.Linear(32, 96)
        self.out = nn.Linear(32, 32)
        self.depthwise = nn.Conv1d(32, 32, 3, padding=1, groups=32)

    def forward(self, x):
        q, k, v = self.qkv(self.norm(x)).reshape(*x.shape[:2], 3, 4, 8).permute(2, 0, 3, 1, 4)
        y = functional.scaled_dot_product_attention(q, k, v)
        y = self.out(y.transpose(1, 2).reshape(x.shape)) + x
        return functional.gelu(self.depthwise(y.transpose(1, 2))).mean(-1)


def test_attention_and_depthwise_layers_are_read_and_pruned() -> None:
    torch.manual_seed(0)
    attending = trace(Attending(), (torch.randn(1, 6, 32),))
    found = read(attending)
    evidence = observe_blocks(attending)
    widths = {name: max(2, size // 2) for name, size in found.model.groups.items()}
    small = pruned(attending, evidence, widths, ())
    present = found.present(small)
    assert present == found.model.present(widths)
    assert any("scaled_dot_product_attention" in kind for kind in found.model.kinds)
