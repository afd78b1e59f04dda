"""A candidate is saved as plans and weights, and comes back the same on a fresh trace."""

import json

import pytest
import torch
from torch import nn

from pipeline import candidate as candidates
from pipeline.candidate import Candidate
from pipeline.graph import trace
from pipeline.prune import apply, plan
from targets.errors import ArtifactError

INPUT = torch.linspace(-1, 1, 3 * 64).reshape(1, 3, 8, 8)


def build():
    torch.manual_seed(0)
    return nn.Sequential(
        nn.Conv2d(3, 16, 3, padding=1),
        nn.BatchNorm2d(16),
        nn.ReLU(),
        nn.Conv2d(16, 16, 3),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(16, 5),
    ).eval()


@pytest.fixture
def saved(tmp_path):
    dense = trace(build(), (INPUT,))
    decided = plan(dense, ratio=0.5)
    small = Candidate(dense).pruned(decided, apply(dense, decided))
    with torch.no_grad():
        for weight in small.graph.module.parameters():
            weight.add_(0.01)  # trained: the plan alone would not give these weights
    small = small.with_graph(small.graph, "recover: 1 epoch")
    small.save(tmp_path)
    return tmp_path, small


def test_it_comes_back_equal_on_a_fresh_trace(saved):
    folder, small = saved
    again = candidates.load(folder, trace(build(), (INPUT,)))
    assert again.plans == small.plans
    assert again.lineage == small.lineage
    for name, tensor in small.graph.module.state_dict().items():
        assert torch.equal(again.graph.module.state_dict()[name], tensor)
    assert torch.equal(again.graph.module(INPUT), small.graph.module(INPUT))


def test_loading_leaves_the_dense_graph_as_it_was(tmp_path):
    dense = trace(build(), (INPUT,))
    Candidate(dense).save(tmp_path)
    loaded = candidates.load(tmp_path, dense)
    with torch.no_grad():
        next(loaded.graph.module.parameters()).zero_()
    assert next(dense.module.parameters()).abs().sum() > 0


def test_weights_of_another_model_are_refused(saved):
    folder, _ = saved
    (folder / "candidate.json").write_text(json.dumps({"plans": 0, "lineage": ["dense"]}))
    with pytest.raises(ArtifactError, match="another model"):
        candidates.load(folder, trace(build(), (INPUT,)))


@pytest.mark.parametrize("name", ["candidate.json", "plan-0.json", "weights.safetensors"])
def test_a_damaged_file_is_refused(saved, name):
    folder, _ = saved
    (folder / name).write_bytes(b"{")
    with pytest.raises(ArtifactError):
        candidates.load(folder, trace(build(), (INPUT,)))


def test_tied_weights_are_saved_once_and_stay_tied(tmp_path):
    class Tied(nn.Module):
        def __init__(self):
            super().__init__()
            self.first = nn.Linear(8, 8)
            self.second = nn.Linear(8, 8)
            self.second.weight = self.first.weight

        def forward(self, x):
            return self.second(self.first(x).relu())

    inputs = (torch.ones(1, 8),)
    dense = trace(Tied().eval(), inputs)
    Candidate(dense).save(tmp_path)
    loaded = candidates.load(tmp_path, dense)
    assert torch.equal(loaded.graph.module(*inputs), dense.module(*inputs))
