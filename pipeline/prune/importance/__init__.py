"""Observing: what each channel is worth, as plain numbers. One file per kind of criterion.

May read a graph's weights, and run it on calibration data. Decides nothing and changes nothing.
More is worth more. Scores are comparable between groups: criteria in a layer's own units are given
relative to the mean of the group, criteria that estimate the model's loss or error relative to the
mean of all channels.
"""

import torch
from pipeline.graph.groups import Survey
from pipeline.graph.trace import Graph
from pipeline.prune.importance import weights
from pipeline.prune.importance.data import CalibrationData, checked_inputs
from pipeline.prune.importance.evidence import Evidence, GroupEvidence, gather
from pipeline.prune.importance.reconstruction import reconstruction

__all__ = ["CalibrationData", "Evidence", "GroupEvidence", "checked_inputs", "observe"]


def observe(
    graph: Graph,
    survey: Survey,
    criterion: str = "magnitude",
    data: CalibrationData | None = None,
) -> Evidence:
    """A score per channel of every group."""
    if criterion == "obs":
        with torch.no_grad():
            found = reconstruction(graph, survey, [i for i, _ in data.checked(graph).batches])
        return gather(survey, found)
    return gather(survey, weights.magnitude_l1(graph, survey))
