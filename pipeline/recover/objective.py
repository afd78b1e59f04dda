"""What training makes small: the task's loss, and the distance to the teacher's outputs."""

from collections.abc import Callable
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn import functional
from torch.utils import _pytree as pytree

from targets.errors import TaskError

TaskLoss = Callable[[object, object], Tensor]


@dataclass(frozen=True)
class Objective:
    """The training loss: weight x distillation + (1 - weight) x the task's loss.

    Attributes:
        task_loss: the task's own; None only where the weight is 1.
        temperature: softens both models' outputs.
        weight: the share of distillation, 0 to 1.
    """

    task_loss: TaskLoss | None
    temperature: float
    weight: float

    @property
    def needs_teacher(self) -> bool:
        """Whether the teacher's outputs matter at all."""
        return self.weight > 0

    def __call__(self, outputs: object, teacher: object, target: object) -> Tensor:
        """The loss of one batch, a scalar; `teacher` are the teacher's outputs, where needed."""
        loss = torch.zeros(())
        if self.needs_teacher:
            loss = loss + self.weight * distance(outputs, teacher, self.temperature)
        if self.weight < 1:
            loss = loss + (1 - self.weight) * self.own(outputs, target)
        return loss

    def own(self, outputs: object, target: object) -> Tensor:
        """The task's loss of one batch; TaskError where it is no scalar tensor."""
        assert self.task_loss is not None, "checked before training"
        found = self.task_loss(outputs, target)
        if not isinstance(found, Tensor) or found.numel() != 1:
            shown = tuple(found.shape) if isinstance(found, Tensor) else type(found).__name__
            raise TaskError(f"loss() must return a scalar tensor; found {shown}")
        return found.reshape(())


def distance(outputs: object, teacher: object, temperature: float) -> Tensor:
    """How far outputs are from the teacher's: the mean over all their float tensors.

    For scores over classes the Kullback-Leibler divergence of the softened distributions, times
    the squared temperature (Hinton, Vinyals, Dean 2015, section 2): classes lie in dimension 1 of
    an image of scores (N, C, H, W), else in the last one. For a tensor with one value per place
    the mean squared error.
    """
    pairs = zip(pytree.tree_leaves(outputs), pytree.tree_leaves(teacher), strict=True)
    terms = [
        _distance(ours.float(), theirs.float(), temperature)
        for ours, theirs in pairs
        if isinstance(ours, Tensor) and ours.is_floating_point()
    ]
    if not terms:
        raise TaskError(
            "the model has no float output to compare with the dense model's: leave out `distill`, "
            "and anything that is ranked by divergence (sensitivity, blocks)"
        )
    return torch.stack(terms).mean()


def _distance(ours: Tensor, theirs: Tensor, temperature: float) -> Tensor:
    classes = 1 if ours.dim() == 4 else -1
    if ours.dim() < 2 or ours.shape[classes] == 1:
        return functional.mse_loss(ours, theirs)
    log_ours = functional.log_softmax(ours / temperature, dim=classes)
    log_theirs = functional.log_softmax(theirs / temperature, dim=classes)
    each = functional.kl_div(log_ours, log_theirs, reduction="none", log_target=True)
    return each.sum(dim=classes).mean() * temperature**2
