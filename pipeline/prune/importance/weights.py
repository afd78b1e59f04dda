"""Criteria that read the weights alone: magnitude and the scale of batch norms."""

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import torch

from pipeline.graph.attributes import attribute
from pipeline.graph.groups import Survey
from pipeline.graph.labels import Parameter
from pipeline.graph.operators.entry import bind, operator_name
from pipeline.graph.trace import Graph
from pipeline.prune.importance.scores import Scores, add, averaged, nothing

Floats = npt.NDArray[np.float64]


def magnitude_l1(graph: Graph, survey: Survey) -> Scores:
    """Li et al. 2017, "Pruning Filters for Efficient ConvNets", over whole groups: every slice of a
    weight gives the sum of its absolute values to the channels that it needs."""
    return averaged(survey, _powers(graph, survey, 1))


def magnitude_l2(graph: Graph, survey: Survey) -> Scores:
    """As L1 with squares, and the root of a channel's sum (the L2 norm of all that it touches)."""
    squares = _powers(graph, survey, 2)
    return averaged(survey, {atom: score**0.5 for atom, score in squares.items()})


def batch_norm(graph: Graph, survey: Survey) -> Scores:
    """Liu et al. 2017, "Network Slimming": the absolute scale of the batch norms over a channel.

    A channel that no batch norm scales has its L1 magnitude instead, on the scale of its group.
    """
    scores = nothing(survey)
    normed: set[int] = set()
    for parameter in _scales(graph, survey):
        values = np.abs(numbers(graph, parameter))
        normed |= add(scores, survey, parameter.labels[0], values)
    rest = magnitude_l1(graph, survey)
    found = averaged(survey, scores)
    return {atom: found[atom] if atom in normed else rest[atom] for atom in scores}


def _powers(graph: Graph, survey: Survey, power: int) -> Scores:
    """Norms' scales and biases say nothing about a channel: only weights of two dimensions do."""
    scores = nothing(survey)
    for parameter in survey.labelled.parameters:
        if not parameter.trained or len(parameter.shape) < 2:
            continue
        weight = np.abs(numbers(graph, parameter)) ** power
        for dimension, label in enumerate(parameter.labels):
            if label is not None:
                others = tuple(d for d in range(weight.ndim) if d != dimension)
                add(scores, survey, label, weight.sum(axis=others))
    return scores


def _scales(graph: Graph, survey: Survey) -> Iterator[Parameter]:
    """The scale of every batch norm."""
    by_name = {name: one for one in survey.labelled.parameters for name in one.names}
    for node in graph.module.graph.nodes:
        if isinstance(node.target, torch._ops.OpOverload) and operator_name(node) == "batch_norm":
            scale = bind(node)["weight"]
            found = by_name.get(str(getattr(scale, "target", None)))
            if found is not None:
                yield found


def numbers(graph: Graph, parameter: Parameter) -> Floats:
    """A stored tensor's values in float64."""
    tensor = attribute(graph.module, parameter.names[0])
    assert isinstance(tensor, torch.Tensor)
    values: Floats = tensor.detach().to("cpu", torch.float64).numpy()
    return values
