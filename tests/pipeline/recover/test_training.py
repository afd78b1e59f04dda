"""Recovery as a whole."""

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn

from pipeline.evaluate import score_module
from pipeline.graph import trace
from pipeline.metrics import Accuracy
from pipeline.recipe import Distill, Recover
from pipeline.recover import recover
from targets.errors import TaskError


def silent(message, fraction):
    pass


def damaged(graph, scale=1.0):
    """A copy with noise as large as the weights on every convolution."""
    noise = torch.Generator().manual_seed(1)
    module = copy.deepcopy(graph.module)
    for parameter in module.parameters():
        if parameter.dim() == 4:
            drawn = torch.randn(parameter.shape, generator=noise)
            parameter.data += scale * parameter.std() * drawn
    return replace(graph, module=module)


def state(graph):
    return {name: tensor.clone() for name, tensor in graph.module.state_dict().items()}


def same(one, other):
    return one.keys() == other.keys() and all(torch.equal(one[name], other[name]) for name in one)


def accuracy(graph, task):
    return score_module(graph.module, task).metrics["accuracy"]


def test_a_damaged_model_recovers(task, teacher, settings):
    student = damaged(teacher)
    before, dense = accuracy(student, task), accuracy(teacher, task)
    recovered = recover(student, teacher, task, settings, silent)
    after = accuracy(recovered.graph, task)
    assert dense > 0.85
    assert before < dense - 0.1
    # Two epochs win back at least half of what the noise took (here nearly all of it).
    assert after > before + (dense - before) / 2
    assert max(one.metric for one in recovered.history) == after


def test_it_changes_neither_student_nor_teacher(task, teacher, settings):
    student = damaged(teacher)
    before, dense = state(student), state(teacher)
    code = student.module.code
    random = torch.get_rng_state()
    recovered = recover(student, teacher, task, settings, silent)
    assert same(state(student), before)
    assert same(state(teacher), dense)
    assert student.module.code == code == recovered.graph.module.code
    assert torch.equal(torch.get_rng_state(), random)
    assert all(one.grad is None for one in recovered.graph.module.parameters())
    assert all(one.is_contiguous() for one in recovered.graph.module.parameters())


def test_the_same_seed_arrives_at_the_same_weights(task, teacher, settings):
    student = damaged(teacher)
    first = recover(student, teacher, task, settings, silent)
    torch.rand(7)  # whatever happened before does not matter
    again = recover(student, teacher, task, settings, silent)
    assert same(state(first.graph), state(again.graph))
    assert first.history == again.history
    other = recover(student, teacher, task, settings.model_copy(update={"seed": 1}), silent)
    assert not same(state(first.graph), state(other.graph))


def test_history_begins_with_the_student_and_marks_one_best(task, teacher, settings):
    student = damaged(teacher)
    history = recover(student, teacher, task, settings, silent).history
    assert [one.epoch for one in history] == [0, 1, 2]
    assert history[0].metric == accuracy(student, task)
    assert [one.best for one in history].count(True) == 1
    best = next(one for one in history if one.best)
    assert best.metric == max(one.metric for one in history)
    assert history[0].to_json().keys() == {"epoch", "loss", "metric", "learning_rate", "best"}


class Worsening(Accuracy):
    """A metric that gets worse with every pass."""

    passes = 0

    def compute(self):
        type(self).passes += 1
        return -float(self.passes)


def test_a_student_that_no_epoch_improves_is_kept(task, teacher, settings):
    Worsening.passes = 0
    student = damaged(teacher)
    recovered = recover(student, teacher, replace(task, metric=Worsening), settings, silent)
    assert recovered.history[0].best
    assert same(state(recovered.graph), state(student))


def test_a_lower_metric_may_be_the_better_one(task, teacher, settings):
    class Falling(Worsening):
        higher_is_better = False

    recovered = recover(damaged(teacher), teacher, replace(task, metric=Falling), settings, silent)
    assert recovered.history[-1].best


def test_a_loss_that_is_not_a_number_says_what_to_change(task, teacher):
    ill = replace(task, loss=lambda outputs, target: outputs.sum() * math.nan)
    with pytest.raises(TaskError, match=r"epoch 1, batch 1: the loss is nan; lower .*0\.002"):
        recover(teacher, teacher, ill, Recover(epochs=1), silent)


def test_an_infinite_gradient_is_noticed(task, teacher):
    ill = replace(task, loss=lambda outputs, target: (outputs * 0).sum().sqrt())
    with pytest.raises(TaskError, match="the gradient's norm is nan"):
        recover(teacher, teacher, ill, Recover(epochs=1), silent)


def test_without_a_loss_only_the_teacher_can_be_learnt_from(task, teacher):
    bare = replace(task, loss=None)
    for distill in (None, Distill(weight=0.9)):
        with pytest.raises(TaskError, match=r"distill: \{weight: 1\.0\}"):
            recover(teacher, teacher, bare, Recover(epochs=1, distill=distill), silent)
    student = damaged(teacher)
    settings = Recover(epochs=2, learning_rate=5e-3, distill=Distill(weight=1.0))
    history = recover(student, teacher, bare, settings, silent).history
    assert history[-1].metric > history[0].metric
    assert history[-1].loss < history[0].loss


def test_an_empty_training_split_is_refused(task, teacher, settings):
    with pytest.raises(TaskError, match=r"'train'.* is empty"):
        recover(teacher, teacher, replace(task, train_count=0), settings, silent)


def test_a_model_with_nothing_to_train_is_refused(task, settings):
    frozen = nn.Sequential(nn.Flatten(), nn.Linear(64, 10)).requires_grad_(False)
    graph = trace(frozen, (torch.zeros(1, 1, 8, 8),))
    with pytest.raises(TaskError, match="nothing to train"):
        recover(graph, graph, task, settings, silent)


def test_a_frozen_weight_stays(task, teacher, settings):
    student = damaged(teacher)
    student.module.get_parameter("head.weight").requires_grad_(False)
    before = state(student)
    after = state(recover(student, teacher, task, settings, silent).graph)
    assert torch.equal(before["head.weight"], after["head.weight"])
    assert not torch.equal(before["first.weight"], after["first.weight"])


class Fixed(nn.Module):
    """A model that only takes one sample."""

    def __init__(self):
        super().__init__()
        self.convolution = nn.Conv2d(1, 8, 3)
        self.norm = nn.BatchNorm2d(8)
        self.head = nn.Linear(288, 10)

    def forward(self, x):
        return self.head(torch.relu(self.norm(self.convolution(x))).view(1, 288))


def test_a_static_graph_learns_and_keeps_its_statistics(task):
    torch.manual_seed(0)
    graph = trace(Fixed(), (torch.zeros(1, 1, 8, 8),))
    assert not graph.dynamic_batch
    few = replace(task, train_count=128)
    recovered = recover(graph, graph, few, Recover(epochs=2, learning_rate=1e-2), silent)
    assert recovered.history[-1].metric > 0.5 > recovered.history[0].metric
    statistics = recovered.graph.module.get_buffer("norm.running_mean")
    assert torch.equal(statistics, torch.zeros(8))


def test_progress_tells_the_time_left(task, teacher, settings):
    said = []
    recover(teacher, teacher, task, settings, lambda *told: said.append(told))
    fractions = [fraction for _, fraction in said]
    assert fractions == sorted(fractions)
    assert len(said) == 2 * 16
    assert said[-1][0].startswith("epoch 2/2, loss ")
    assert said[-1][0].endswith("s left")


def test_what_was_spent_is_told(task, teacher, settings):
    told = recover(damaged(teacher), teacher, task, settings, silent).training
    assert (told.asked, told.epochs, told.batches, told.seconds) == ("2 epochs", 2, 32, None)
    assert told.precision == "fp32"
    assert told.distilled == "outputs, temperature 4, weight 0.9"
    assert (told.rates[0].batch, told.rates[-1].batch) == (1, 32)
    assert max(one.learning_rate for one in told.rates) <= settings.learning_rate


def test_bfloat16_trains_too(task, teacher, settings):
    student = damaged(teacher)
    asked = settings.model_copy(update={"precision": "bf16"})
    done = recover(student, teacher, task, asked, silent)
    assert done.training.precision == "bf16"
    assert done.history[-1].metric > done.history[0].metric
    assert all(one.dtype == torch.float32 for one in done.graph.module.parameters())
