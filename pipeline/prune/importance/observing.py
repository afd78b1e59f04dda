"""The door of importance: a criterion's name, and what it looks at."""

from collections.abc import Callable

import torch

from pipeline.graph.groups import Survey
from pipeline.graph.trace import Graph
from pipeline.nearest import advice
from pipeline.prune.calibration import CalibrationData, Inputs
from pipeline.prune.importance import weights
from pipeline.prune.importance.activations import activation
from pipeline.prune.importance.chance import random
from pipeline.prune.importance.evidence import Evidence, gather
from pipeline.prune.importance.gradients import taylor
from pipeline.prune.importance.reconstruction import reconstruction
from pipeline.prune.importance.scores import Scores
from targets.errors import TaskError, UsageError

_OF_WEIGHTS: dict[str, Callable[[Graph, Survey], Scores]] = {
    "magnitude": weights.magnitude_l1,
    "l2": weights.magnitude_l2,
    "batchnorm": weights.batch_norm,
    "random": lambda _, survey: random(survey),
}
_OF_INPUTS: dict[str, Callable[[Graph, Survey, list[Inputs]], Scores]] = {
    "activation": activation,
    "obs": reconstruction,
}
CRITERIA = (*_OF_WEIGHTS, *_OF_INPUTS, "taylor")


def observe(
    graph: Graph,
    survey: Survey,
    criterion: str = "magnitude",
    data: CalibrationData | None = None,
) -> Evidence:
    """A score per channel of every group.

    Args:
        graph: the graph to look at.
        survey: its groups.
        criterion: "magnitude" (L1), "l2", "batchnorm" and "random" need no data; "activation" and
            "obs" (output-reconstruction error) need inputs, "taylor" a loss and targets besides.
        data: calibration data for those that need them.

    Raises:
        UsageError: an unknown criterion.
        TaskError: data that are missing or that the graph doesn't take; gradients not finite.
    """
    if criterion in _OF_WEIGHTS:
        return gather(survey, _OF_WEIGHTS[criterion](graph, survey))
    if criterion not in CRITERIA:
        raise UsageError(f"importance: '{criterion}' is unknown; {advice(criterion, CRITERIA)}")
    if data is None:
        raise TaskError(f"importance '{criterion}' needs calibration data; none were given")
    checked = data.checked(graph)
    if criterion == "taylor":
        return gather(survey, taylor(graph, survey, checked))
    with torch.no_grad():
        inputs = [inputs for inputs, _ in checked.batches]
        return gather(survey, _OF_INPUTS[criterion](graph, survey, inputs))
