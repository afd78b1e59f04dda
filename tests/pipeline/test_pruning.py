"""The recipe's prune step in rounds: what each asks for, and where its errors point."""

from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import get_args

import pytest
import torch
from torch import nn

from pipeline import pruning
from pipeline import recipe_steps as steps
from pipeline.candidate import Candidate
from pipeline.graph import trace
from pipeline.prune import apply, observe_blocks, plan, plan_blocks
from pipeline.prune import settings as planned
from pipeline.prune.probing import divergence
from pipeline.prune.repair.repairing import Method
from pipeline.pruning import target_of
from pipeline.recipe import Prune, read
from pipeline.recipe_steps import Schedule
from targets.errors import RecipeError, TaskError


@pytest.fixture(scope="module")
def dense() -> Candidate:
    net = nn.Sequential(nn.Linear(16, 256), nn.ReLU(), nn.Linear(256, 256), nn.ReLU(),
                        nn.Linear(256, 4))  # fmt: skip
    return Candidate(trace(net, (torch.zeros(1, 16),)))


def after_rounds(candidate: Candidate, settings: Prune) -> Candidate:
    for number in range(1, settings.rounds + 1):
        asked = vars(target_of(settings, number, candidate, 4))
        made = plan(candidate.graph, **asked, multiple=settings.multiple)
        candidate = candidate.pruned(made, apply(candidate.graph, made))
    return candidate


@pytest.mark.parametrize("rounds", [1, 2, 4])
@pytest.mark.parametrize("mode", ["macs", "params"])
def test_rounds_arrive_where_one_would(dense: Candidate, mode: str, rounds: int) -> None:
    asked = Prune(**{mode: 0.4}, multiple=1, schedule=Schedule(steps=rounds))
    last, first = (after_rounds(dense, asked).plans[at] for at in (-1, 0))
    kept = {"macs": last.macs_kept / first.macs_dense,
            "params": last.parameters_kept / first.parameters_dense}[mode]  # fmt: skip
    assert 0.4 * 0.99 <= kept <= 0.4


def test_rounds_of_a_ratio_leave_equal_shares(dense: Candidate) -> None:
    asked = Prune(ratio=0.75, multiple=1, schedule=Schedule(steps=2))
    plans = after_rounds(dense, asked).plans
    assert [[group.kept for group in one.groups] for one in plans] == [[128, 128], [64, 64]]


def test_rounds_of_a_size_end_at_it(dense: Candidate) -> None:
    asked = Prune(size_bytes=80_000, multiple=1, schedule=Schedule(steps=3))
    plans = after_rounds(dense, asked).plans
    sizes = [4 * one.parameters_kept for one in plans]
    assert sizes[0] > sizes[1] > sizes[2]
    assert 0.99 * 80_000 <= sizes[2] <= 80_000


def test_what_one_round_missed_the_next_makes_up_for(dense: Candidate) -> None:
    asked = Prune(macs=0.4, multiple=32, schedule=Schedule(steps=2))
    first = after_rounds(dense, asked).plans[0]
    second = target_of(asked, 2, dense.pruned(first, apply(dense.graph, first)), 4)
    assert second.macs == pytest.approx(0.4 * first.macs_dense / first.macs_kept)


def test_the_recipe_knows_what_planning_knows() -> None:
    assert get_args(steps.Importance) == get_args(planned.Importance)
    assert get_args(steps.Strategy) == get_args(planned.Strategy)
    assert set(get_args(steps.Repair)) == {*get_args(Method), "none"}
    assert {mode for modes in steps.MODES.values() for mode in modes} == set(steps.PRUNING_MODES)


RECIPE = """version: 1
budget: {size_kb: 10}
steps:
  - prune:
      macs: 0.5
      keep: [stem]
"""


@pytest.fixture
def desk(tmp_path: Path) -> SimpleNamespace:
    (tmp_path / "task.py").write_text("")
    (tmp_path / "recipe.yaml").write_text(RECIPE)
    return SimpleNamespace(loaded=read(tmp_path), quantize=None)


def test_a_refusal_names_the_recipes_line(desk: SimpleNamespace, dense: Candidate) -> None:
    asked = desk.loaded.recipe.steps[0].prune
    with pytest.raises(RecipeError, match=r"yaml:6: steps\.0\.prune\.keep: 'stem' matches no"):
        pruning.decide(desk, dense, asked, 1, None)
    asked = Prune(macs=0.001)
    with pytest.raises(RecipeError, match=r"yaml:5: steps\.0\.prune\.macs: 0\.001 can't be rea"):
        pruning.decide(desk, dense, asked, 1, None)


def test_a_fault_of_the_users_data_stays_the_tasks(desk: SimpleNamespace, dense: Candidate) -> None:
    desk.task = SimpleNamespace(batches=lambda split: [((torch.zeros(2, 7),), None)], loss=None)
    asked = Prune(macs=0.5, importance="activation")
    with pytest.raises(TaskError, match="calibration batch 1, input 1"):
        pruning.decide(desk, dense, asked, 1, None)


def test_repair_is_left_out_where_it_would_fill_zeros() -> None:
    assert Prune(ratio=0.5).mending == "least-squares"
    assert Prune(ratio=0.5, granularity="weight").mending == "none"
    assert Prune(ratio=0.5, granularity="weight", repair="batchnorm").mending == "batchnorm"


@pytest.fixture
def calibrated(desk: SimpleNamespace) -> SimpleNamespace:
    """A desk whose task has data and a loss."""
    data = [(torch.randn(8, 16, generator=torch.Generator().manual_seed(n)),) for n in range(2)]
    desk.task = SimpleNamespace(
        batches=lambda split: [(inputs, torch.arange(8) % 4) for inputs in data],
        loss=nn.functional.cross_entropy,
    )
    desk.console = SimpleNamespace(progress=lambda message, done: None)
    return desk


class Branches(nn.Module):
    """Three residual branches."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(16, 32), nn.Linear(32, 4)
        self.branches = nn.ModuleList(
            nn.Sequential(nn.Linear(32, 48), nn.ReLU(), nn.Linear(48, 32)) for _ in range(3)
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        for branch in self.branches:
            x = x + branch(x)
        return self.head(x)


class Absorbed(nn.Module):
    """A small branch that nothing else can do, and a large one that the layer behind it can."""

    def __init__(self) -> None:
        super().__init__()
        self.stem, self.head = nn.Linear(16, 24), nn.Linear(24, 4)
        self.small, self.large = nn.Linear(24, 24), nn.Linear(24, 24)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.stem(x)
        x = x + 0.3 * torch.tanh(self.small(x))
        return self.head(x + 2 * self.large(x))


def test_blocks_go_by_what_repair_leaves_of_their_divergence(calibrated: SimpleNamespace) -> None:
    torch.manual_seed(0)
    candidate = Candidate(trace(Absorbed(), (torch.zeros(1, 16),)))
    inputs = torch.randn(256, 16)
    calibrated.task.batches = lambda split: [((inputs,), torch.arange(256) % 4)]
    asked = Prune(ratio=0.5, granularity="block")
    made = pruning.decide(calibrated, candidate, asked, 1, None)
    assert [one.name for one in made.blocks if one.removed] == ["large"]
    graph, listed = candidate.graph, observe_blocks(candidate.graph)
    unrepaired = {
        name: divergence(
            graph, apply(graph, plan(graph, blocks=plan_blocks(listed, names=[name]))), [(inputs,)]
        )
        for name in ("small", "large")
    }
    assert unrepaired["large"] > unrepaired["small"]


TWICE = Schedule(steps=2)
MODES = {"ratio": 0.5, "macs": 0.5, "params": 0.5, "size_bytes": 22_000}
KINDS = [
    *[({"strategy": one}, mode) for one in get_args(steps.Strategy) for mode in MODES],
    *[({"importance": one}, "macs") for one in get_args(steps.Importance)],
    *[({"granularity": "block"}, mode) for mode in ("ratio", "macs")],
    *[({"granularity": "weight", "strategy": one}, "ratio") for one in ("uniform", "global")],
]


@pytest.mark.parametrize(("how", "mode"), KINDS)
def test_rounds_go_by_every_strategy_and_target(
    how: dict[str, str], mode: str, calibrated: SimpleNamespace
) -> None:
    """Each round decides by what it finds, applies, mends, and the last arrives."""
    torch.manual_seed(0)
    candidate = Candidate(trace(Branches(), (torch.zeros(1, 16),)))
    multiple = {} if "granularity" in how else {"multiple": 1}
    asked = Prune(**{mode: MODES[mode]}, **how, **multiple, schedule=TWICE)
    for number in (1, 2):
        table = None
        if asked.strategy == "sensitivity":
            table = pruning.sensitivity(calibrated, candidate, asked.importance)
        made = pruning.decide(calibrated, candidate, asked, number, table)
        small = apply(candidate.graph, made)
        mended = pruning.mend(calibrated, candidate.graph, made, small, asked.mending)
        candidate = candidate.pruned(made, mended.graph)
    _arrived(candidate, how, mode)


def _arrived(candidate: Candidate, how: dict[str, str], mode: str) -> None:
    first, last = candidate.plans
    if how.get("granularity") == "weight":
        size = sum(one.size for one in last.weights)
        assert sum(one.kept for one in last.weights) == pytest.approx(0.5 * size, rel=0.02)
        return
    assert last.macs_kept < first.macs_kept < first.macs_dense
    if mode == "macs":
        assert last.macs_kept <= 0.5 * first.macs_dense
    if mode == "params":
        assert last.parameters_kept <= 0.5 * first.parameters_dense
    if mode == "size_bytes":
        assert 4 * last.parameters_kept <= MODES[mode]


def test_the_lineage_counts_from_the_dense_model(dense: Candidate) -> None:
    asked = Prune(macs=0.25, multiple=1, schedule=Schedule(steps=2))
    lines = after_rounds(replace(dense), asked).lineage
    assert lines == ("dense", "prune: 50% of MACs kept", "prune: 25% of MACs kept")
