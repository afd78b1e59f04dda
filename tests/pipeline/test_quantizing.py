"""The stages that plan: each leaves a candidate with its plan, and is made once."""

from types import SimpleNamespace

import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline import candidate as candidates
from pipeline import excluding, placing, quantizing, stages
from pipeline.candidate import Candidate
from pipeline.graph import trace
from pipeline.ladder import Method
from pipeline.metrics import Accuracy
from pipeline.quantize import QuantPlan, apply
from pipeline.recipe import Quantize, Step
from pipeline.workspace import Workspace
from targets.errors import RecipeError, TaskError


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Sequential(nn.Conv2d(1, 8, 3, bias=False), nn.BatchNorm2d(8), nn.ReLU())
        self.body = nn.Sequential(nn.Conv2d(8, 8, 3), nn.Hardswish(), nn.Conv2d(8, 8, 1))
        self.head = nn.Linear(8, 3)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.head(self.body(self.stem(x)).mean((2, 3)))


class Task:
    loss = staticmethod(functional.cross_entropy)

    def identity(self):
        return "task"

    def batches(self, split):
        draw = torch.Generator().manual_seed(len(split))
        for _ in range(2):
            yield (torch.randn(24, 1, 8, 8, generator=draw),), torch.arange(24) % 3

    def metrics(self):
        return [Accuracy()]


def net() -> nn.Module:
    torch.manual_seed(0)
    made = Net()
    with torch.no_grad():
        made.train()(torch.randn(64, 1, 8, 8))
    return made.eval()


class Loaded:
    def __init__(self, settings):
        self.recipe = SimpleNamespace(steps=(Step(quantize=settings),))

    def error(self, location, message):
        return RecipeError(f"{'.'.join(map(str, location))}: {message}")


@pytest.fixture
def desk(tmp_path):
    with Workspace.open(tmp_path / "run", "test") as workspace:
        settings = Quantize(exclude=("hardswish",))
        yield SimpleNamespace(
            dense=trace(net(), (torch.zeros(1, 1, 8, 8),)),
            task=Task(),
            workspace=workspace,
            quantize=settings,
            loaded=Loaded(settings),
            console=SimpleNamespace(
                progress=lambda message, fraction: None, remark=lambda message: None
            ),
        )


@pytest.fixture
def parent(desk):
    return desk.workspace.step("dense", {}, lambda folder: Candidate(desk.dense).save(folder))


def noise(desk, folder) -> float:
    """Of the plan's int8 graph beside its own float graph, relative."""
    candidate = candidates.load(folder, desk.dense)
    quantized = apply(candidate.graph, QuantPlan.load(folder / quantizing.PLAN)).unfolded
    (inputs,), _ = next(iter(desk.task.batches("validation")))
    with torch.no_grad():
        expected, found = desk.dense.module(inputs), quantized(inputs)
    return float((found - expected).norm() / expected.norm())


@pytest.mark.parametrize(
    "method",
    [Method("min-max"), Method("least-squares", equalized=True, rounded=True)],
    ids=["plain", "equalized and rounded"],
)
def test_a_method_leaves_a_candidate_and_its_plan(desk, parent, method):
    folder = quantizing.plan(desk, parent, method)
    assert candidates.load(folder, desk.dense).folded is method.equalized
    assert noise(desk, folder) < 0.1
    made = list(desk.workspace.made)
    assert quantizing.plan(desk, parent, method) == folder
    assert desk.workspace.made == made


def test_what_is_excluded_stays_float_with_what_is_beside_it(desk, parent):
    keeps = quantizing.excluded(desk, parent, desk.quantize)
    assert "hardswish" in keeps
    assert len(keeps) > 1
    folder = quantizing.plan(desk, parent, Method("least-squares"), keeps)
    assert QuantPlan.load(folder / quantizing.PLAN).keeps == keeps
    assert quantizing.keep(desk, folder, ()) == folder


def test_a_pattern_that_matches_nothing_is_refused_with_the_nearest(desk, parent):
    desk.quantize = Quantize(exclude=("head", "hardswich"))
    desk.loaded = Loaded(desk.quantize)
    with pytest.raises(RecipeError) as caught:
        quantizing.excluded(desk, parent, desk.quantize)
    told = str(caught.value)
    assert told.startswith("steps.0.quantize.exclude.1: found 'hardswich', which matches no operat")
    assert "did you mean 'hardswish'?" in told


def test_a_pattern_is_checked_before_anything_is_made(desk):
    desk.quantize = Quantize(exclude=("hardswich",))
    desk.loaded, desk.prune = Loaded(desk.quantize), None
    with pytest.raises(RecipeError, match="did you mean 'hardswish'"):
        stages.patterns(desk)


def test_what_pruning_took_away_is_excluded_no_more(desk):
    x = torch.zeros(1, 1, 8, 8)
    small = net()
    small.body = nn.Sequential(small.body[0], small.body[2])
    assert excluding.kept(desk.dense, ("hardswish",))
    assert excluding.kept(trace(small, (x,)), ("hardswish",)) == ()


def test_what_is_excluded_stays_float_where_nothing_was_planned_before(desk):
    data = [inputs for inputs, _ in desk.task.batches("calibration")]
    made = excluding.quantized(desk.dense, data, desk.quantize)
    assert "hardswish" in made.plan.keeps


def test_a_draft_leaves_what_is_excluded_float(desk, parent):
    desk.task.example_inputs = lambda: (torch.zeros(1, 1, 8, 8),)
    drafted = stages.draft(desk, parent, desk.quantize, ())
    assert "hardswish" in QuantPlan.load(drafted.folder / quantizing.PLAN).keeps


class Masked(nn.Module):
    """Adds a mask of minus infinity, as attention does."""

    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(8, 8), nn.Linear(8, 3)
        self.register_buffer("mask", torch.tensor([0.0] * 7 + [-torch.inf]))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.second((self.first(x) + self.mask).softmax(-1))


def test_what_can_not_be_observed_is_no_reason_to_refuse_where_it_is_excluded(desk):
    desk.dense = trace(Masked().eval(), (torch.zeros(1, 8),))
    desk.task.batches = lambda split: iter([((torch.randn(64, 8),), None)] * 2)
    desk.quantize = Quantize(exclude=("add",))
    parent = desk.workspace.step("m", {}, lambda folder: Candidate(desk.dense).save(folder))
    with pytest.raises(TaskError, match="infinite"):
        quantizing.doubts(desk, parent)
    keeps = quantizing.excluded(desk, parent, desk.quantize)
    assert quantizing.doubts(desk, parent, keeps) is not None
    data = [inputs for inputs, _ in desk.task.batches("calibration")]
    assert excluding.quantized(desk.dense, data, desk.quantize).plan.keeps == keeps


def test_more_can_be_kept_of_a_plan_that_was_made(desk, parent):
    planned = quantizing.plan(desk, parent, Method("least-squares"))
    kept = quantizing.keep(desk, planned, ("hardswish",))
    assert "hardswish" in QuantPlan.load(kept / quantizing.PLAN).keeps
    assert noise(desk, kept) < 0.1


def test_training_leaves_its_history_and_learnt_scales(desk, parent):
    planned = quantizing.plan(desk, parent, Method("least-squares"))
    settings = Quantize(mode="qat", epochs=1).training()
    folder = quantizing.train(desk, planned, settings)
    assert (folder / quantizing.TRAINED).exists()
    assert QuantPlan.load(folder / quantizing.PLAN).settings.mode == "qat"
    assert candidates.load(folder, desk.dense).lineage[-1].startswith("quantization-aware")


def test_doubts_and_doubtful_operators_are_told(desk, parent):
    kinds = {one.kind for one in quantizing.doubts(desk, parent)}
    assert "few-samples" not in kinds  # 48 of them
    assert placing.is_doubtful(desk, parent)
