"""Measuring blocks as widths are measured: what the outputs become without each, after a local
repair. Only so can the two be weighed against each other: unrepaired, a residual net's blocks seem
to lose ten times and more of what they do."""

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from math import isfinite

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.prune.block_effects import descent
from pipeline.prune.block_evidence import observe_blocks
from pipeline.prune.block_planning import BlockCost, BlockEvidence, plan_blocks
from pipeline.prune.blocks import look_for_blocks
from pipeline.prune.calibration import CalibrationData
from pipeline.prune.consumers.sites import Site
from pipeline.prune.consumers.walk import Inputs
from pipeline.prune.planning import plan
from pipeline.prune.probing import LOCAL, Progress, divergence, reads
from pipeline.prune.repair import Strength, repair_told
from pipeline.prune.skipping import without_blocks
from pipeline.prune.surgery import apply


def measure_blocks(
    graph: Graph,
    data: CalibrationData,
    repair: Strength = LOCAL,
    progress: Progress | None = None,
) -> BlockEvidence:
    """The blocks of a graph, and per block the divergence of the outputs with it gone.

    The counterpart of `probing.measure`, approximate as it is: one block goes at a time, and only
    what reads the channels that the block gave is repaired. No weight of the graph is changed. A
    block whose absence gives outputs that are no numbers has no divergence.

    Args:
        graph: the dense graph.
        data: calibration batches; their targets are not used.
        repair: how hard to repair each probe.
        progress: told of every probe: a message, and the fraction done.

    Raises TaskError for data that the graph does not take.
    """
    inputs = [one for one, _ in data.checked(graph).batches]
    evidence = observe_blocks(graph)
    entries = {block.name: block.entry for block in look_for_blocks(graph).found}
    probe = _Probe(graph, evidence, entries, inputs, repair)
    measured: list[BlockCost] = []
    for number, block in enumerate(evidence.blocks):
        measured.append(probe(block) if block.reason is None else block)
        if progress is not None:
            progress(f"divergence without {block.name}", (number + 1) / len(evidence.blocks))
    return replace(evidence, blocks=tuple(measured))


@dataclass(frozen=True)
class _Probe:
    """One block taken out, what reads its channels repaired, its outputs compared."""

    graph: Graph
    evidence: BlockEvidence
    entries: Mapping[str, str]
    inputs: Sequence[Inputs]
    strength: Strength

    def __call__(self, block: BlockCost) -> BlockCost:
        """The block with what its absence does to outputs and groups."""
        chosen = plan(self.graph, blocks=plan_blocks(self.evidence, names=[block.name]))
        rest = survey(without_blocks(self.graph, chosen.blocks))
        repaired = repair_told(
            self.graph, apply(self.graph, chosen), chosen, self.inputs,
            strength=self.strength, only=_readers(rest, self.entries[block.name]),
        )  # fmt: skip
        found = divergence(self.graph, repaired.graph, self.inputs)
        effect = descent(survey(self.graph), rest).effect
        return replace(block, divergence=found if isfinite(found) else None, effect=effect)


def _readers(rest: Survey, entry: str) -> Callable[[Site], bool] | None:
    """The consumers of the channels that an entry holds; all, where it holds none that may go."""
    labels = rest.labelled.known.labels.get(entry)
    if not isinstance(labels, list):
        return None
    terms = rest.labelled.terms
    atoms = {
        atom for label in labels if label is not None for of in terms.atoms(label) for atom in of
    }
    return (lambda site: reads(rest, site, atoms)) if atoms else None
