"""What a sequence of plans keeps of every activation, for comparing it with the dense one."""

from collections.abc import Mapping, Sequence

import numpy as np
import numpy.typing as npt

from pipeline.graph.groups import survey
from pipeline.graph.operators.entry import Labels
from pipeline.graph.trace import Graph
from pipeline.prune.choice import Choice
from pipeline.prune.plans import PrunePlan, check_fits
from pipeline.prune.skipping import without_blocks
from pipeline.prune.surgery import apply, choose

Indices = npt.NDArray[np.int64]
Kept = Mapping[str, tuple[Indices | None, ...]]
"""By the name of a node that gives one tensor: per dimension which of the dense graph's indices
stay, None where all do."""


def kept_by(dense: Graph, plans: Sequence[PrunePlan]) -> Kept:
    """What the plans, applied one after another to the dense graph, keep of each node's tensor.

    Nodes that go with their block are not among them. Raises ArtifactError for another model's
    plans.
    """
    kept: Kept | None = None
    for plan in plans:
        own = _kept_by_one(dense, plan)
        kept = own if kept is None else _after(kept, own)
        dense = apply(dense, plan)
    return kept or {}


def _kept_by_one(graph: Graph, plan: PrunePlan) -> Kept:
    found = survey(without_blocks(graph, plan.blocks))
    check_fits(plan, found)
    choice = choose(found, plan)
    labels = found.labelled.known.labels
    return {name: _indices(own, choice) for name, own in labels.items() if isinstance(own, list)}


def _indices(labels: Labels, choice: Choice) -> tuple[Indices | None, ...]:
    return tuple(
        None if label is None else np.flatnonzero(choice.alive(label, len(label)))
        for label in labels
    )


def _after(first: Kept, second: Kept) -> Kept:
    """What is kept of what was kept."""
    return {
        name: tuple(_joined(*pair) for pair in zip(first[name], own, strict=True))
        for name, own in second.items()
        if name in first
    }


def _joined(before: Indices | None, after: Indices | None) -> Indices | None:
    if before is None or after is None:
        return after if before is None else before
    return before[after]
