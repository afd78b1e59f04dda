"""The loss of a batch: the student runs, the teacher beside it where it teaches."""

import torch
from torch import Tensor, fx

from pipeline.inference import infer
from pipeline.recipe import Distill
from pipeline.recover.features import Features, Kept, Watching
from pipeline.recover.hardware import Means
from pipeline.recover.objective import Objective


class Teaching:
    """Student and teacher, side by side.

    Attributes:
        told: what is learnt from the teacher, in words; empty for nothing.
    """

    def __init__(
        self,
        student: fx.GraphModule,
        teacher: fx.GraphModule,
        objective: Objective,
        distill: Distill | None,
        kept: Kept,
        means: Means,
    ) -> None:
        """Raises TaskError for patterns of activations that match none."""
        self._student = student
        self._teacher = teacher
        self._objective = objective
        self._means = means
        self._features: Features | None = None
        self._weight = 0.0
        self.told = ""
        if distill is not None:
            self.told = f"outputs, temperature {distill.temperature:g}, weight {distill.weight:g}"
        if distill is not None and distill.features:
            self._features = Features(student, teacher, distill.features, kept)
            self._weight = distill.feature_weight
            names = ", ".join(self._features.names)
            self.told += f"; activations {names}, weight {distill.feature_weight:g}"

    def loss(self, inputs: tuple[Tensor, ...], target: object) -> Tensor:
        """The training loss of a batch, a scalar."""
        if self._features is None:
            with self._means.precision():
                outputs = infer(self._student, inputs)
            return self._objective(outputs, self._taught(inputs), target)
        ours = Watching(self._student, self._features.names)
        theirs = Watching(self._teacher, self._features.names)
        with self._means.precision():
            outputs = infer(self._student, inputs, ours.run)
            with torch.no_grad():
                taught = infer(self._teacher, inputs, theirs.run)
        apart = self._features.distance(ours.seen(), theirs.seen())
        return self._objective(outputs, taught, target) + self._weight * apart

    def judged(self, outputs: object, inputs: tuple[Tensor, ...], target: object) -> float:
        """The task's loss of outputs, or their distance to the teacher's where it has none."""
        if self._objective.task_loss is None:
            return self._objective(outputs, self._taught(inputs), target).item()
        return self._objective.own(outputs, target).item()

    def _taught(self, inputs: tuple[Tensor, ...]) -> object:
        """The teacher's outputs, where the objective needs them."""
        if not self._objective.needs_teacher:
            return None
        with torch.no_grad(), self._means.precision():
            return infer(self._teacher, inputs)
