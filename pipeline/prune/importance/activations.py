"""Activation statistics: how much a channel's values vary on calibration data."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import torch
from torch import fx

from pipeline.graph.groups import Survey
from pipeline.graph.terms import Label
from pipeline.graph.trace import Graph
from pipeline.prune.consumers import sites as finding
from pipeline.prune.consumers.walk import Inputs, Walk
from pipeline.prune.importance.scores import Scores, add, averaged, nothing
from pipeline.prune.importance.weights import magnitude_l1

Floats = npt.NDArray[np.float64]


def activation(graph: Graph, survey: Survey, batches: Sequence[Inputs]) -> Scores:
    """The root mean square of a channel around its mean, where linear layers and convolutions read
    it: a constant can be folded into a bias, only what varies is lost (after Hu et al. 2016,
    "Network Trimming", which counts zeroes).

    A channel that none of them reads has its L1 magnitude instead, on the scale of its group.
    """
    sites, _ = finding.find(graph.module)
    wanted = {site.source for site in sites}
    nodes = [node for node in graph.module.graph.nodes if node.name in wanted]
    walk = Walk(graph.module, batches, {})
    squares, read = nothing(survey), set[int]()
    for node in nodes:
        walk.through(node.name)
        for dimension, label in _labelled(survey, node):
            values = [walk.value(node.name, batch) for batch in range(len(walk))]
            read |= add(squares, survey, label, _variance(values, dimension))
    found = averaged(survey, {atom: score**0.5 for atom, score in squares.items()})
    rest = magnitude_l1(graph, survey)
    return {atom: found[atom] if atom in read else rest[atom] for atom in found}


def _labelled(survey: Survey, node: fx.Node) -> list[tuple[int, Label]]:
    labels = survey.labelled.known.labels.get(node.name)
    if not isinstance(labels, list):
        return []
    return [(dimension, label) for dimension, label in enumerate(labels) if label is not None]


def _variance(values: Sequence[torch.Tensor], dimension: int) -> Floats:
    """Per index of a dimension, the mean square around the mean, over all else."""
    flat = [value.double().movedim(dimension, 0).flatten(1) for value in values]
    count = sum(one.shape[1] for one in flat)
    mean = torch.stack([one.sum(dim=1) for one in flat]).sum(dim=0) / count
    squares = torch.stack([((one - mean[:, None]) ** 2).sum(dim=1) for one in flat])
    found: Floats = (squares.sum(dim=0) / count).numpy()
    return found
