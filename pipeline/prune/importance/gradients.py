"""First-order Taylor: how the loss changes to first order when a channel goes."""

import numpy as np
import torch

from pipeline.graph.attributes import attribute
from pipeline.graph.copying import copied
from pipeline.graph.groups import Survey
from pipeline.graph.trace import Graph
from pipeline.inference import infer
from pipeline.prune.calibration import CalibrationData
from pipeline.prune.importance.scores import Scores, add, nothing, shared
from targets.errors import TaskError


def taylor(graph: Graph, survey: Survey, data: CalibrationData) -> Scores:
    """Molchanov et al. 2019, "Importance Estimation for Neural Network Pruning", equation 8: over a
    channel's parameters the sum of weight × gradient, squared, averaged over batches.

    A channel's parameters are all slices that it needs, one sum per slice: in exact arithmetic the
    slices that make a channel and those that read it tell the same change.

    Raises TaskError where the data have no loss, and for a loss or a gradient that is not finite.
    """
    if data.loss is None:
        raise TaskError("importance 'taylor' needs a loss: give `def loss(outputs, target)`")
    module = copied(graph.module)
    scores = nothing(survey)
    for number, (inputs, target) in enumerate(data.batches, 1):
        module.zero_grad()
        loss = data.loss(infer(module, inputs), target)
        _check_loss(loss, number)
        torch.autograd.backward(loss)
        _add_batch(module, survey, scores, f"calibration batch {number}")
    return shared({atom: score / len(data.batches) for atom, score in scores.items()})


def _check_loss(loss: object, number: int) -> None:
    if not isinstance(loss, torch.Tensor) or loss.numel() != 1:
        shown = tuple(loss.shape) if isinstance(loss, torch.Tensor) else type(loss).__name__
        raise TaskError(f"loss() must return a scalar tensor; found {shown}")
    if not torch.isfinite(loss).all():
        raise TaskError(
            f"calibration batch {number}: the loss is {loss.item()}; look in loss() and the data "
            "for a logarithm or a division by zero"
        )


def _add_batch(module: torch.nn.Module, survey: Survey, scores: Scores, place: str) -> None:
    for parameter in survey.labelled.parameters:
        tensor = attribute(module, parameter.names[0])
        if not isinstance(tensor, torch.nn.Parameter) or tensor.grad is None:
            continue
        if not torch.isfinite(tensor.grad).all():
            raise TaskError(
                f"{place}: the gradient of {parameter.names[0]} holds NaN or infinity; look in "
                "loss() and the model for a root, a logarithm or a division at zero"
            )
        change = (tensor.detach().double() * tensor.grad.double()).numpy()
        for dimension, label in enumerate(parameter.labels):
            others = tuple(d for d in range(change.ndim) if d != dimension)
            add(scores, survey, label, np.square(change.sum(axis=others)))
