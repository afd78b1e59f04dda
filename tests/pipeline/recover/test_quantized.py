"""Quantization-aware training: recovery's loop over a graph with int8's rounding in it."""

import pytest
import torch

from pipeline.quantize import apply, quantize
from pipeline.quantize.simulate import freeze, learnt, simulate
from pipeline.recipe import Distill, Quantize
from pipeline.recover import Settling, recover

SETTLING = Settling(0.5, freeze)


class CutOff(Exception):
    pass


def cut_off_in(epoch):
    def tell(message, fraction):
        if message.startswith(f"epoch {epoch}/"):
            raise CutOff

    return tell


def silent(message, fraction):
    pass


def state(graph):
    return {name: one.clone() for name, one in graph.module.state_dict().items()}


@pytest.fixture
def settings():
    return Quantize(
        mode="qat", epochs=4, learning_rate=2e-3, distill=Distill(temperature=4.0, weight=0.9)
    ).training()


@pytest.fixture
def plan(task, teacher):
    return quantize(teacher, [inputs for inputs, _ in task.batches("train")], Quantize()).plan


def aware(teacher, plan, task, settings, tell=silent, **more):
    student = simulate(teacher, plan)
    return recover(student, teacher, task, settings, tell, settling=SETTLING, **more)


def test_what_was_trained_is_what_is_deployed(task, teacher, plan, settings):
    done = aware(teacher, plan, task, settings)
    best = next(epoch for epoch in done.history if epoch.best)
    assert best.metric >= done.history[0].metric
    graph, trained = learnt(done.graph, teacher, plan)
    assert state(graph).keys() == state(teacher).keys()
    assert trained.tensors != plan.tensors
    quantized = apply(graph, trained).unfolded
    metric = task.metrics()[0]
    with torch.no_grad():
        for inputs, target in task.batches("validation"):
            metric.update(quantized(*inputs), target)
    assert metric.compute() == pytest.approx(best.metric, abs=0.005)  # 2 of 400, decided by a tie


def test_a_training_that_was_cut_off_ends_with_the_same_weights(
    task, teacher, plan, settings, tmp_path
):
    whole = aware(teacher, plan, task, settings)
    with pytest.raises(CutOff):
        aware(teacher, plan, task, settings, cut_off_in(3), checkpoints=tmp_path)
    again = aware(teacher, plan, task, settings, checkpoints=tmp_path)
    assert again.resumed_after == 2
    one, other = state(whole.graph), state(again.graph)
    assert all(torch.equal(one[name], other[name]) for name in one)
    assert whole.history == again.history


def test_the_second_half_moves_neither_statistics_nor_ranges(task, teacher, plan, settings):
    still = {}

    def noting(module):
        freeze(module)
        fixed = {name: one for name, one in module.state_dict().items() if is_still(name)}
        for name, one in fixed.items():
            assert torch.equal(still.setdefault(name, one.clone()), one)

    student = simulate(teacher, plan)
    recover(student, teacher, task, settings, silent, settling=Settling(0.5, noting))
    moved = {name: one for name, one in state(student).items() if is_still(name)}
    assert any("running" in name for name in still)
    assert not any(torch.equal(moved[name], still[name]) for name in still if "running" in name)


def is_still(name):
    return "running" in name or "log2_scale" in name
