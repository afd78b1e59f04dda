"""Fine-tuning of a sparse model keeps its zeros and trains the rest."""

import numpy as np
import pytest
import torch
from torch import nn

from pipeline.prune import apply, masks_of, plan_weights
from pipeline.recover import recover
from pipeline.recover.zeros import Zeros
from targets.errors import TaskError


def silent(message, fraction):
    pass


@pytest.mark.parametrize("asked", [{"sparsity": 0.8}, {"pattern": "2:4"}])
def test_recovery_keeps_zeros_and_trains_the_rest(task, teacher, settings, asked):
    made = plan_weights(teacher, **asked)
    student, masks = apply(teacher, made), masks_of(made.weights)
    done = recover(student, teacher, task, settings, silent, masks)
    assert max(one.epoch for one in done.history if one.best) > 0
    before, after = student.module.state_dict(), done.graph.module.state_dict()
    for name, mask in masks.items():
        stays = torch.from_numpy(mask)
        assert not after[name][~stays].any()
        assert (after[name] != before[name])[stays].float().mean() > 0.9


def test_without_masks_zeros_are_lost(task, teacher, settings):
    made = plan_weights(teacher, sparsity=0.8)
    done = recover(apply(teacher, made), teacher, task, settings, silent)
    masks = masks_of(made.weights)
    assert any(done.graph.module.get_parameter(name)[~torch.from_numpy(m)].any()
               for name, m in masks.items())  # fmt: skip


def test_any_optimiser_is_held():
    """Momentum would move what has no gradient, and a decay that adds would too."""
    layer = nn.Linear(6, 4)
    mask = np.arange(24).reshape(4, 6) % 3 == 0
    optimiser = torch.optim.SGD(layer.parameters(), lr=0.1, momentum=0.9)
    layer(torch.ones(2, 6)).sum().backward()
    optimiser.step()  # momentum from before there were zeros
    zeros = Zeros(layer, {"weight": mask})
    for _ in range(3):
        optimiser.zero_grad()
        layer(torch.ones(2, 6)).sum().backward()
        zeros.hold_gradients()
        assert not layer.weight.grad[~torch.from_numpy(mask)].any()
        optimiser.step()
        zeros.hold_weights()
        assert torch.equal(layer.weight != 0, torch.from_numpy(mask))


@pytest.mark.parametrize(
    "masks", [{"weights": np.ones((4, 6), bool)}, {"weight": np.ones(6, bool)}]
)
def test_another_models_masks_are_refused(masks):
    with pytest.raises(TaskError, match=r"the mask of weights? .* is another model's"):
        Zeros(nn.Linear(6, 4), masks)
