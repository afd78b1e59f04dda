"""Measuring sensitivity: what each group's every width costs in outputs, after a local repair."""

from collections.abc import Callable, Sequence
from dataclasses import dataclass

import torch

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.inference import infer
from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Inputs
from pipeline.prune.importance import CalibrationData, Evidence
from pipeline.prune.planning import plan
from pipeline.prune.plans import PrunePlan
from pipeline.prune.repair import Strength, repair_told
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.surgery import apply
from pipeline.recover.objective import distance

LOCAL = Strength(rounds=2, turns=0, places=16_384)
Progress = Callable[[str, float], None]


def measure(
    graph: Graph,
    importance: Evidence,
    data: CalibrationData,
    widths: Sequence[float] = (0.125, 0.25, 0.375, 0.5, 0.625, 0.75, 0.875),
    repair: Strength = LOCAL,
    progress: Progress | None = None,
) -> Sensitivity:
    """The KL divergence to the dense outputs of each group alone at each width, after repair.

    An approximation in three ways, each for speed: only the direct consumers of the group are
    repaired, on a sample of their output positions, and groups are taken one at a time, so what
    two of them cost together is the sum.

    Args:
        graph: the dense graph.
        importance: which channels stay at a width: those of the highest scores.
        data: calibration batches; their targets are not used.
        widths: shares of each group's channels, rounded to whole channels.
        repair: how hard to repair each probe.
        progress: told of every probe: a message, and the fraction done.
    """
    inputs = [one for one, _ in data.checked(graph).batches]
    found = survey(graph)
    nothing = plan(graph, ratio=0.0)
    probe = _Probe(graph, found, nothing, inputs, _outputs(graph, inputs), repair)
    table: dict[str, dict[int, float]] = {}
    for number, group in enumerate(importance.groups):
        order = sorted(range(group.size), key=lambda channel: (group.scores[channel], channel))
        kept = sorted({max(1, round(share * group.size)) for share in widths} - {group.size})
        table[group.name] = {
            width: probe(number, tuple(sorted(order[: group.size - width]))) for width in kept
        }
        if progress is not None:
            progress(f"sensitivity of {group.name}", (number + 1) / len(importance.groups))
    return Sensitivity(divergence=table)


@dataclass(frozen=True)
class _Probe:
    """One group cut to a width, its consumers repaired, its outputs compared."""

    graph: Graph
    found: Survey
    nothing: PrunePlan
    inputs: Sequence[Inputs]
    expected: Sequence[object]
    strength: Strength

    def __call__(self, group: int, removed: tuple[int, ...]) -> float:
        """The divergence without these channels of a group."""
        groups = list(self.nothing.groups)
        groups[group] = groups[group].model_copy(update={"removed": removed, "reason": None})
        cut = self.nothing.model_copy(update={"groups": tuple(groups)})
        atoms = set(self.found.members[group])
        repaired = repair_told(
            self.graph, apply(self.graph, cut), cut, self.inputs,
            strength=self.strength, only=lambda site: reads(self.found, site, atoms),
        )  # fmt: skip
        return _divergence(self.expected, repaired.graph, self.inputs)


def reads(found: Survey, site: Site, atoms: set[int]) -> bool:
    """Whether a consumer's input holds any of these atoms of a survey."""
    labels = found.labelled.known.labels.get(site.source)
    if not isinstance(labels, list):
        return False
    terms = found.labelled.terms
    needed = [terms.atoms(label) for label in labels if label is not None]
    return any(not atoms.isdisjoint(one) for of_label in needed for one in of_label)


def divergence(dense: Graph, other: Graph, batches: Sequence[Inputs]) -> float:
    """The mean divergence of outputs from the dense ones, per example: in nats where outputs are
    scores over classes, the mean squared error where they are not."""
    return _divergence(_outputs(dense, batches), other, batches)


@torch.no_grad()
def _outputs(graph: Graph, batches: Sequence[Inputs]) -> list[object]:
    return [infer(graph.module, inputs) for inputs in batches]


@torch.no_grad()
def _divergence(expected: Sequence[object], other: Graph, batches: Sequence[Inputs]) -> float:
    total, count = 0.0, 0
    for inputs, outputs in zip(batches, expected, strict=True):
        found = float(distance(infer(other.module, inputs), outputs, 1.0))
        total += max(0.0, found) * len(inputs[0])
        count += len(inputs[0])
    return total / max(1, count)
