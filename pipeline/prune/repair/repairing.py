"""The door of repair: a pruned graph in, a repaired copy out, with what was left alone and why."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

import torch

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.prune.calibration import checked_inputs
from pipeline.prune.choice import Choice
from pipeline.prune.consumers import sites as finding
from pipeline.prune.consumers.sites import Declined, Site
from pipeline.prune.consumers.walk import Inputs
from pipeline.prune.plans import PrunePlan, check_fits
from pipeline.prune.repair.batch_norm import re_estimate
from pipeline.prune.repair.equation import Strength
from pipeline.prune.repair.least_squares import Repairer
from pipeline.prune.skipping import without_blocks
from pipeline.prune.surgery import choose, select

Method = Literal["least-squares", "batchnorm"]


@dataclass(frozen=True)
class Repaired:
    """A repaired graph, the nodes that were solved for, and those that were not, with reasons."""

    graph: Graph
    solved: tuple[str, ...]
    declined: tuple[Declined, ...]


def repair(
    dense: Graph,
    pruned: Graph,
    plan: PrunePlan,
    batches: Sequence[Inputs],
    *,
    method: Method = "least-squares",
) -> Graph:
    """A copy of the pruned graph with its weights or statistics made good; see `repair_told`."""
    return repair_told(dense, pruned, plan, batches, method=method).graph


def repair_told(
    dense: Graph,
    pruned: Graph,
    plan: PrunePlan,
    batches: Sequence[Inputs],
    *,
    method: Method = "least-squares",
    strength: Strength | None = None,
    only: Callable[[Site], bool] | None = None,
) -> Repaired:
    """A repaired copy of the pruned graph.

    Args:
        dense: the graph that was pruned.
        pruned: what `apply` made of it by the plan.
        plan: what was removed.
        batches: calibration inputs, a few hundred examples in all.
        method: "least-squares" solves for the weights of all consumers behind removed channels;
            "batchnorm" measures the statistics of batch norms anew.
        strength: how hard to solve.
        only: which consumers to solve for, where not all.

    Raises:
        ArtifactError: the plan belongs to another model.
        TaskError: calibration data that the graph doesn't take.
    """
    inputs = checked_inputs(batches, dense)
    module = pruned.copy().module
    with torch.no_grad():
        if method == "batchnorm":
            solved = re_estimate(module, inputs)
            return Repaired(replace(pruned, module=module), solved, ())
        kept = _Kept(without_blocks(dense, plan.blocks), plan, inputs)
        kept.check()
        sites, declined = finding.find(module)
        changed = finding.behind_changes(dense.module, module)
        moved = finding.rewired(dense.module, module)
        sites = [site for site in sites if site.source in changed or site.name in moved]
        sites = [site for site in sites if not only or only(site)]
        declined = [one for one in declined if one.name in changed]
        strength = strength or Strength()
        Repairer(dense.module, module, sites, inputs, kept, strength).run()
    solved = tuple(site.name for site in sites)
    return Repaired(replace(pruned, module=module), solved, tuple(declined))


class _Kept:
    """What pruning keeps of a value of the dense graph, by the labels of its dimensions. A batch
    may be merged into a labelled dimension, so there are labels for each size of batch."""

    def __init__(self, graph: Graph, plan: PrunePlan, batches: Sequence[Inputs]) -> None:
        self._graph = graph
        self._plan = plan
        self._batches = batches
        self._known: dict[int, tuple[Survey, Choice]] = {}

    def __call__(self, name: str, value: torch.Tensor, batch: int) -> torch.Tensor:
        found, choice = self._of(batch)
        labels = found.labelled.known.labels[name]
        assert isinstance(labels, list)
        return select(value, labels, choice)

    def check(self) -> None:
        """Raise ArtifactError where the plan belongs to another model."""
        self._of(0)

    def _of(self, batch: int) -> tuple[Survey, Choice]:
        size = len(self._batches[batch][0])
        if size not in self._known:
            found = survey(self._graph.taking(self._batches[batch]))
            check_fits(self._plan, found)
            self._known[size] = found, choose(found, self._plan)
        return self._known[size]
