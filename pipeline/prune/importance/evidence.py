"""What a decision rests on: a score for every channel, and the numbers of the census."""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pipeline.graph.census import Census
from pipeline.graph.groups import Survey

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


def gather(survey: Survey, scores: Mapping[int, float]) -> Evidence:
    """Scores by atom as evidence by group."""
    partners = _partners(survey)
    groups = tuple(
        GroupEvidence(name, tuple(_rounded(scores[atom]) for atom in atoms), partners[number])
        for number, (name, atoms) in enumerate(zip(survey.names, survey.members, strict=True))
    )
    return Evidence(groups, survey.census)


def _rounded(score: float) -> float:
    return float(f"{score:.{_DIGITS - 1}e}")


def _partners(survey: Survey) -> list[tuple[int, ...]]:
    """Per group, the groups that share a term with it."""
    sizes = [len(atoms) for atoms in survey.members]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    partners: list[set[int]] = [set() for _ in sizes]
    for family in survey.census.rows.families(owner):
        for group in family:
            partners[group] |= {*family} - {group}
    return [tuple(sorted(found)) for found in partners]
