"""Observing: what each channel weighs, as plain numbers."""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import torch

from pipeline.graph.attributes import attribute
from pipeline.graph.census import Census
from pipeline.graph.groups import Survey
from pipeline.graph.trace import Graph

Floats = npt.NDArray[np.float64]
_DIGITS = 9  # sums differ in their last digits between machines; a tie must stay a tie


@dataclass(frozen=True)
class GroupEvidence:
    """What is known of a group: a score per channel (more is worth more), and the groups that it
    multiplies with, as heads do with head dimensions."""

    name: str
    scores: tuple[float, ...]
    partners: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """The number of channels."""
        return len(self.scores)


@dataclass(frozen=True)
class Evidence:
    """Everything that a decision rests on. The census numbers channels group by group."""

    groups: tuple[GroupEvidence, ...]
    census: Census


def observe(graph: Graph, survey: Survey) -> Evidence:
    """Magnitude (Li et al. 2017, "Pruning Filters for Efficient ConvNets", over whole groups):
    every slice of a weight gives the sum of its absolute values to the channels that it needs."""
    scores = _magnitudes(graph, survey)
    partners = _partners(survey)
    groups = tuple(
        GroupEvidence(name, tuple(scores[atom] for atom in atoms), partners[number])
        for number, (name, atoms) in enumerate(zip(survey.names, survey.members, strict=True))
    )
    return Evidence(groups, survey.census)


def _magnitudes(graph: Graph, survey: Survey) -> dict[int, float]:
    """Norms' scales and biases say nothing about a channel: only weights of two dimensions do."""
    terms = survey.labelled.terms
    scores = {atom: 0.0 for atoms in survey.members for atom in atoms}
    for parameter in survey.labelled.parameters:
        if not parameter.trained or len(parameter.shape) < 2:
            continue
        tensor = attribute(graph.module, parameter.names[0])
        assert isinstance(tensor, torch.Tensor)
        weight: Floats = np.abs(tensor.detach().to("cpu", torch.float64).numpy())
        for dimension, label in enumerate(parameter.labels):
            if label is None:
                continue
            others = tuple(d for d in range(weight.ndim) if d != dimension)
            sums = weight.sum(axis=others).tolist()
            for value, atoms in zip(sums, terms.atoms(label), strict=True):
                for atom in atoms:
                    scores[atom] += value
    return {atom: float(f"{score:.{_DIGITS - 1}e}") for atom, score in scores.items()}


def _partners(survey: Survey) -> list[tuple[int, ...]]:
    """Per group, the groups that share a term with it."""
    owner = [number for number, atoms in enumerate(survey.members) for _ in atoms]
    partners: list[set[int]] = [set() for _ in survey.names]
    for channels in survey.census.rows.members():
        together = {owner[channel] for channel in channels}
        for group in together:
            partners[group] |= together - {group}
    return [tuple(sorted(found)) for found in partners]
