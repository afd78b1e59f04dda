"""Rungs of an invented house: what is made, scored and timed is written down, only climbing is."""

from dataclasses import dataclass, field
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import climbing
from pipeline.evaluate import Scores
from pipeline.recipe import Quantize
from pipeline.results import Made
from pipeline.workspace import Workspace
from targets.budget import Budget, Line
from targets.errors import TaskError

RUNTIMES = ("tflite", "openvino")
BUDGET = Budget.model_validate(
    {"latency_ms": {"p95": 1.0}, "metric": {"name": "accuracy", "max_drop": 0.01}}
)


def scores(accuracy: float) -> Scores:
    return Scores({"accuracy": accuracy}, {}, {"accuracy": True})


def line_of(share: float) -> Line:
    status = "FAIL" if share > 1 else "PASS"
    return Line("latency_ms.p95", 1.0, share, share, status, "", "1")


@dataclass
class House:
    """What each rung comes to: accuracy and the share of its latency limit, by the rung's name; the
    latter in a short sitting, and `in_full`."""

    workspace: Workspace
    accuracies: dict[str, float]
    shares: dict[str, float] = field(default_factory=dict)
    in_full: dict[str, float] = field(default_factory=dict)
    loss: object = print
    settings: Quantize = field(default_factory=lambda: Quantize(mode="ladder"))
    trainings: list[str] = field(default_factory=list)
    untrainable: str = ""
    said: list[str] = field(default_factory=list)

    @property
    def desk(self) -> SimpleNamespace:
        return SimpleNamespace(
            quantize=self.settings,
            workspace=self.workspace,
            task=SimpleNamespace(loss=self.loss),
            loaded=SimpleNamespace(recipe=SimpleNamespace(budget=BUDGET)),
            console=SimpleNamespace(remark=self.said.append, step=self.said.append),
        )

    def train(self, desk, planned, training) -> Path:
        self.trainings.append(training.told)
        if self.untrainable:
            raise TaskError(self.untrainable)
        return Path("qat")

    def make(self, desk, name, folder, settings, runtimes, least) -> Made:
        (runtime,) = runtimes
        artifact = SimpleNamespace(runtime=runtime, name=name)
        rung = name.removesuffix("-int8")
        seen = SimpleNamespace(artifact=artifact, scores=scores(self.accuracies.get(rung, 0.5)))
        return Made(rung, folder, None, {runtime: seen}, {})

    def weigh(self, desk, dense, artifact) -> SimpleNamespace:
        share = self.shares.get(artifact.name.removesuffix("-int8"), 0.5)
        line = line_of(share)
        timing = SimpleNamespace(latency_ms=lambda quantile: (share,) * 3)
        return SimpleNamespace(
            measured={"candidate": timing}, lines=lambda budget: {line.limit: line}
        )

    def judge(self, desk, dense, made) -> climbing.Judged:
        share = self.in_full.get(made.name, 0.5)
        timing = SimpleNamespace(latency_ms=lambda quantile: (share,) * 3)
        verdict = SimpleNamespace(status=line_of(share).status, lines=(line_of(share),))
        trial = SimpleNamespace(candidate=timing, verdict=verdict)
        return climbing.Judged(made, dict.fromkeys(made.seen, trial))

    def climb(self, *runtimes: str):
        seen = {
            one: SimpleNamespace(artifact=SimpleNamespace(runtime=one), scores=scores(0.9))
            for one in runtimes
        }
        dense = Made("dense", Path("dense"), None, seen, {})
        return climbing.climb(self.desk, dense, "", Path("shaped"), runtimes)


@pytest.fixture
def house(tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    with Workspace.open(tmp_path / "run", "recipe") as workspace:

        def built(**figures) -> House:
            made = House(workspace, **figures)
            priced = climbing.placing.Priced("layer a", ("a",), 3.0, 0.1)
            for where, name, what in (
                (climbing.quantizing, "excluded", lambda *_: ()),
                (climbing.quantizing, "plan", lambda *_: Path("plan")),
                (climbing.quantizing, "keep", lambda *_: Path("kept")),
                (climbing.quantizing, "train", made.train),
                (climbing.placing, "place", lambda *_: climbing.Placement(())),
                (climbing.placing, "applied", lambda desk, folder, placement: folder),
                (climbing.placing, "priced", lambda *_: (priced,)),
                (climbing.making, "make", made.make),
                (climbing.making, "judge", made.judge),
                (climbing.sittings, "weigh", made.weigh),
            ):
                monkeypatch.setattr(where, name, what)
            return made

        yield built


def test_training_that_fails_costs_neither_the_best_so_far_nor_the_others_theirs(house):
    made = house(accuracies={"equalized": 0.8}, untrainable="the loss is not finite")
    one, other = made.climb(*RUNTIMES)
    assert (one.made.name, other.made.name) == ("equalized", "equalized")
    assert one.climbed["tflite"][-1].reason == "the loss is not finite"
    assert len(made.trainings) == 1


def test_the_fault_of_every_rung_ends_the_climb(house, monkeypatch):
    made = house(accuracies={})

    def refuse(*_):
        raise TaskError("the calibration split is empty")

    monkeypatch.setattr(climbing.quantizing, "plan", refuse)
    with pytest.raises(TaskError, match="calibration split is empty"):
        made.climb("tflite")


def test_a_task_without_a_loss_is_told_of_the_rung_that_it_lacks(house):
    made = house(accuracies={}, loss=None)
    (judged,) = made.climb("tflite")
    last = judged.climbed["tflite"][-1]
    assert (last.rung.name, last.holds, made.trainings) == ("qat", False, [])
    assert "the task has no loss: define loss(outputs, target)" in last.reason
    assert any("the task has no loss" in told for told in made.said)


def test_a_dense_model_alone_is_enough_to_learn_from(house):
    settings = Quantize.model_validate({"mode": "ladder", "distill": {"weight": 1}})
    made = house(accuracies={"qat": 0.9}, loss=None, settings=settings)
    (judged,) = made.climb("tflite")
    assert judged.made.name == "qat"


def test_a_rung_that_holds_the_metric_alone_does_not_keep_the_next_from_being_tried(house):
    made = house(accuracies={"float-1": 0.9, "qat": 0.895}, shares={"float-1": 1.3})
    (judged,) = made.climb("tflite")
    names = [one.rung.name for one in judged.climbed["tflite"]]
    assert names[-2:] == ["float-1", "qat"]
    assert judged.made.name == "qat"
    assert any("beyond the limits: latency_ms.p95 of 1" in told for told in made.said)


def test_a_rung_that_seemed_too_slow_is_delivered_where_no_other_holds_the_metric(house):
    made = house(accuracies={"float-1": 0.9}, shares={"float-1": 1.3})
    (judged,) = made.climb("tflite")
    assert judged.made.name == "float-1"
    assert judged.climbed["tflite"][-2].holds  # as the full sitting found


def test_what_the_full_sitting_finds_too_slow_is_climbed_past(house):
    made = house(accuracies={"float-1": 0.9, "qat": 0.895}, in_full={"float-1": 1.1})
    (judged,) = made.climb("tflite")
    assert judged.made.name == "qat"
    assert [one.status for one in judged.climbed["tflite"] if one.status] == ["PASS"]
