"""A plan is a document: it is saved, read strictly, and replays on a fresh trace of its model."""

import json
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import Tensor, nn

from pipeline.graph import Graph, trace
from pipeline.prune import PrunePlan, apply, plan
from targets.errors import ArtifactError, UsageError

GOLDEN = Path(__file__).parent / "golden" / "small-resnet.json"


class Small(nn.Module):
    """A residual net with a depthwise convolution and a concat."""

    def __init__(self, width: int = 16) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, width, 3, padding=1)
        self.norm = nn.BatchNorm2d(width)
        self.depthwise = nn.Conv2d(width, width, 3, padding=1, groups=width)
        self.inner = nn.Conv2d(width, 24, 1)
        self.outer = nn.Conv2d(24, width, 1)
        self.head = nn.Linear(width + 24, 10)

    def forward(self, x: Tensor) -> Tensor:
        x = self.norm(self.stem(x)).relu()
        y = self.inner(self.depthwise(x)).relu()
        x = x + self.outer(y)
        return self.head(torch.cat([x.mean((2, 3)), y.mean((2, 3))], 1))


def traced(width: int = 16, batch: int = 1) -> Graph:
    """Weights from a formula: the same on every machine and for every release of torch."""
    module = Small(width)
    for number, tensor in enumerate(module.parameters()):
        wave = np.sin(np.arange(tensor.numel(), dtype=np.float64) * (number + 1) * 0.37)
        with torch.no_grad():
            tensor.copy_(torch.from_numpy(wave).reshape(tensor.shape))
    return trace(module, (torch.zeros(batch, 3, 8, 8),))


def test_the_golden_plan_has_not_changed() -> None:
    assert json.loads(plan(traced(), ratio=0.5).model_dump_json()) == json.loads(GOLDEN.read_text())


def test_save_and_load_give_the_same(tmp_path: Path) -> None:
    made = plan(traced(), macs=0.5, multiple=4)
    made.save(tmp_path / "plan.json")
    assert PrunePlan.load(tmp_path / "plan.json") == made


def test_a_plan_replays_on_a_fresh_trace_of_any_batch() -> None:
    made = plan(traced(), ratio=0.5)
    again = plan(traced(batch=4), ratio=0.5)
    assert made == again
    one, other = apply(traced(), made), apply(traced(batch=4), made)
    states = one.module.state_dict(), other.module.state_dict()
    assert all(torch.equal(states[0][name], states[1][name]) for name in states[0])


def test_numbers_agree_with_the_pruned_model() -> None:
    graph = traced()
    made = plan(graph, ratio=0.5)
    small = apply(graph, made)
    count = sum(parameter.numel() for parameter in small.module.parameters())
    assert made.parameters_kept == count
    assert made.macs_kept == plan(small, ratio=0.0).macs_dense
    # 8·8 pixels of stem 27·16, depthwise 9·16, inner 16·24, outer 24·16; the head's 40·10 once
    assert made.macs_dense == 64 * (27 * 16 + 9 * 16 + 16 * 24 + 24 * 16) + 400


def test_ratio_nought_removes_nothing() -> None:
    made = plan(traced(), ratio=0.0, multiple=8)
    assert not any(group.removed for group in made.groups)
    assert made.macs_kept == made.macs_dense


def test_widths_keep_to_the_grid() -> None:
    for ratio in (0.2, 0.5, 0.7):
        widths = [group.kept for group in plan(traced(), ratio=ratio, multiple=8).groups]
        assert all(width % 8 == 0 for width in widths)


def test_a_plan_for_another_model_is_refused_by_its_first_difference() -> None:
    made = plan(traced(), ratio=0.5)
    with pytest.raises(ArtifactError, match=r"stem\.weight\[0\] of 16 channels, the model .* 20"):
        apply(traced(20), made)
    with pytest.raises(ArtifactError, match="group stem"):
        apply(trace(nn.Linear(8, 4), (torch.zeros(1, 8),)), made)


def test_a_plan_cannot_be_applied_twice() -> None:
    graph = traced()
    made = plan(graph, ratio=0.5)
    with pytest.raises(ArtifactError, match="another model"):
        apply(apply(graph, made), made)


@pytest.mark.parametrize(
    ("change", "told"),
    [
        ({"extra": 1}, "extra"),
        ({"version": 2}, "version"),
        ({"macs_dense": "many"}, "macs_dense"),
        ({"groups": [{"name": "a", "size": 2, "removed": [0, 1], "parameters": []}]}, "lose all"),
        ({"groups": [{"name": "a", "size": 2, "removed": [2], "parameters": []}]}, "ascending"),
        ({"groups": [{"name": "a", "size": 3, "removed": [1, 0], "parameters": []}]}, "ascending"),
        ({"settings": {"ratio": 0.5, "macs": 0.5}}, "exactly one of ratio, macs"),
        ({"settings": {"ratio": 0.5}}, r"settings\.macs: Field required"),
        (
            {"groups": [{"name": "a", "size": 2, "removed": [], "parameters": []}]},
            r"groups\.0\.reason: Field required",
        ),
    ],
)
def test_a_file_that_is_no_plan_is_refused(change: dict, told: str, tmp_path: Path) -> None:
    document = json.loads(GOLDEN.read_text()) | change
    (tmp_path / "plan.json").write_text(json.dumps(document))
    with pytest.raises(ArtifactError, match=told):
        PrunePlan.load(tmp_path / "plan.json")


def test_a_missing_or_broken_file_is_refused(tmp_path: Path) -> None:
    with pytest.raises(ArtifactError, match="can't be read"):
        PrunePlan.load(tmp_path / "none.json")
    (tmp_path / "broken.json").write_bytes(b"\xff{")
    with pytest.raises(ArtifactError, match="no pruning plan"):
        PrunePlan.load(tmp_path / "broken.json")


@pytest.mark.parametrize(
    ("settings", "told"),
    [
        ({"ratio": 1.0}, "ratio"),
        ({"ratio": -0.1}, "ratio"),
        ({"ratio": float("nan")}, "ratio"),
        ({"macs": 0.0}, "macs"),
        ({}, "exactly one of ratio, macs"),
        ({"ratio": 0.5, "multiple": 0}, "multiple"),
        ({"ratio": 0.5, "importance": "luck"}, "importance"),
    ],
)
def test_settings_out_of_range_are_refused(settings: dict, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        plan(traced(), **settings)
