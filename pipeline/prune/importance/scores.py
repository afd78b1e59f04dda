"""Scores by atom: how slices of tensors add up to channels, and how groups become comparable."""

import numpy as np
import numpy.typing as npt

from pipeline.graph.groups import Survey
from pipeline.graph.terms import Label

Scores = dict[int, float]


def nothing(survey: Survey) -> Scores:
    """No score yet for any channel."""
    return {atom: 0.0 for atoms in survey.members for atom in atoms}


def add(scores: Scores, survey: Survey, label: Label, values: npt.NDArray[np.float64]) -> set[int]:
    """Give each index's value to every channel that the index needs; tells which these were."""
    given: set[int] = set()
    if label is None:
        return given
    pairs = zip(values.tolist(), survey.labelled.terms.atoms(label), strict=True)
    for value, atoms in pairs:
        for atom in atoms:
            if atom in scores:
                scores[atom] += value
                given.add(atom)
    return given


def averaged(survey: Survey, scores: Scores) -> Scores:
    """Scores over the mean of their group: for criteria whose scale is that of a layer's weights,
    which says nothing about the layer's worth."""
    found: Scores = {}
    for atoms in survey.members:
        mean = sum(scores[atom] for atom in atoms) / len(atoms)
        found |= {atom: scores[atom] / mean if mean > 0 else 1.0 for atom in atoms}
    return found


def shared(scores: Scores) -> Scores:
    """Scores over the mean of all: for criteria that estimate one quantity of the whole model."""
    mean = sum(scores.values()) / max(1, len(scores))
    return {atom: score / mean if mean > 0 else 1.0 for atom, score in scores.items()}
