"""Scores of modules and artifacts, and comparing them."""

import json
from dataclasses import asdict
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from pipeline import evaluate
from pipeline.evaluate import Accuracy, Scores
from targets.artifact import Artifact
from targets.errors import ArtifactError, TaskError
from targets.limit import MetricLimits

ARTIFACT = Artifact(Path("model.onnx"), "onnx", "0" * 64, 1, (), ())


class Task:
    """Three batches of unequal size, whose label is the largest input's index."""

    def __init__(self, sizes=(4, 4, 2)):
        drawn = torch.Generator().manual_seed(0)
        self.inputs = [torch.rand(size, 3, generator=drawn) for size in sizes]

    def batches(self, split):
        assert split == "validation"
        for inputs in self.inputs:
            yield (inputs,), inputs.argmax(dim=1)

    def metrics(self):
        return [Accuracy()]


class Target:
    """Runs a function where a device would run an artifact."""

    def __init__(self, function):
        self.function = function
        self.calls = []

    def infer(self, artifact, inputs):
        assert artifact is ARTIFACT
        self.calls.append([array.shape for array in inputs])
        return self.function(*inputs)


def test_a_perfect_module_scores_one():
    scores = evaluate.score_module(nn.Identity(), Task())
    assert scores.metrics == {"accuracy": 1.0}
    assert set(scores.per_class.values()) == {1.0}
    assert scores.per_class_of == "accuracy"


def test_an_artifact_scores_what_the_same_module_does():
    task, turned = Task(), nn.Linear(3, 3)
    with torch.no_grad():
        weight = turned.weight.numpy().copy(), turned.bias.numpy().copy()
    target = Target(lambda x: [x @ weight[0].T + weight[1]])
    scores, (outputs,) = evaluate.score_artifact(target, ARTIFACT, task)
    assert scores == evaluate.score_module(turned, task)
    (expected,) = evaluate.outputs_of(turned, task)
    # float32 sums of four terms below 1 in another order: a few units of 6e-8.
    assert np.abs(outputs - expected).max() < 1e-6
    assert target.calls == [[(10, 3)]]


def test_large_inputs_go_in_several_calls(monkeypatch):
    monkeypatch.setattr(evaluate, "INFERENCE_BYTES", 100)  # a batch of four is 48 bytes
    target = Target(lambda x: [x])
    scores, (outputs,) = evaluate.score_artifact(target, ARTIFACT, Task())
    assert target.calls == [[(8, 3)], [(2, 3)]]
    assert scores.metrics == {"accuracy": 1.0}
    assert outputs.shape == (10, 3)


def test_several_outputs_reach_the_metric_as_a_tuple():
    class Second(Accuracy):
        def update(self, outputs, target):
            assert isinstance(outputs, tuple)
            super().update(outputs[1], target)

    task = Task()
    task.metrics = lambda: [Second()]
    scores, outputs = evaluate.score_artifact(Target(lambda x: [-x, x]), ARTIFACT, task)
    assert scores.metrics == {"accuracy": 1.0}
    assert [len(one) for one in outputs] == [10, 10]
    assert (outputs[0] <= 0).all()
    assert (outputs[1] >= 0).all()


@pytest.mark.parametrize("wrong", [lambda _: [], lambda x: [x[:-1]]])
def test_an_artifact_that_loses_samples_is_refused(wrong):
    with pytest.raises(ArtifactError, match=r"model\.onnx: 10 samples went in"):
        evaluate.score_artifact(Target(wrong), ARTIFACT, Task())


def test_an_empty_split_is_refused():
    with pytest.raises(TaskError, match="nothing to score"):
        evaluate.score_module(nn.Identity(), Task(sizes=()))
    with pytest.raises(TaskError, match="empty"):
        evaluate.outputs_of(nn.Identity(), Task(sizes=()))


def test_scores_survive_json():
    scores = evaluate.score_module(nn.Identity(), Task())
    assert Scores(**json.loads(json.dumps(asdict(scores)))) == scores


def test_agreement_is_the_share_of_equal_tops():
    a = np.eye(4)
    b = np.eye(4)[[0, 1, 2, 0]]
    assert evaluate.agreement(a, a) == 1.0
    assert evaluate.agreement(a, b) == 0.75
    with pytest.raises(ValueError, match="shape"):
        evaluate.agreement(a, b[:2])


@pytest.mark.parametrize("shape", [(5,), (5, 1)])
def test_one_value_for_a_sample_is_no_decision(shape):
    outputs = np.arange(5.0).reshape(shape)
    assert evaluate.decisions_agree(outputs, -outputs, "accuracy") is None


def test_decisions_are_those_of_classes():
    outputs = np.eye(4)
    assert evaluate.decisions_agree(outputs, outputs, "accuracy") == 1.0
    assert evaluate.decisions_agree(outputs, outputs, "") is None


def scores(value, classes, *, higher=True):
    return Scores({"m": value}, classes, {"m": higher}, "m" if classes else "")


@pytest.mark.parametrize(("higher", "expected"), [(True, 0.25), (False, -0.25)])
def test_a_drop_is_a_loss_whatever_the_direction(higher, expected):
    dense = scores(0.75, {"a": 1.0, "b": 0.5}, higher=higher)
    candidate = scores(0.5, {"a": 0.75, "b": 0.75}, higher=higher)
    assert evaluate.drop(dense, candidate, "m") == expected
    assert evaluate.worst_class_drop(dense, candidate) == 0.25  # a fell by it, b rose by it


def test_a_drop_of_an_unknown_metric_is_refused():
    with pytest.raises(TaskError, match="no metric 'f1'; the task's metrics are: m"):
        evaluate.drop(scores(1.0, {}), scores(1.0, {}), "f1")


@pytest.mark.parametrize(
    ("limits", "expected"),
    [
        ({"max_drop": 0.01}, 0.04),
        ({"max_class_drop": 0.1}, 0.15),
        ({"max_drop": 0.01, "max_class_drop": 0.3}, 0.04),
        ({"max_drop": 0.01, "max_class_drop": 0.1}, 0.15),
    ],
)
def test_the_worse_of_two_limits_counts(limits, expected):
    dense, candidate = scores(0.75, {"a": 1.0, "b": 0.5}), scores(0.7, {"a": 0.75, "b": 0.65})
    found = evaluate.shortfall(dense, candidate, MetricLimits(name="m", **limits))
    assert found == pytest.approx(expected)


def test_without_classes_there_is_no_worst_one():
    assert evaluate.worst_class_drop(scores(1.0, {}), scores(1.0, {})) is None
