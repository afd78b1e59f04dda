"""Making probes: a plan's artifact, by the same doors as the real one."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import torch

from pipeline.exporting import export_graph
from pipeline.graph.trace import Graph
from pipeline.prune.block_planning import BlockEvidence, plan_blocks
from pipeline.prune.planning import plan
from pipeline.prune.plans import PrunePlan
from pipeline.prune.surgery import apply
from pipeline.quantize import Quantized, quantize
from pipeline.recipe import Quantize
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, Artifact, digest, files_of
from targets.conversion import Precision
from targets.device import Activations

EXAMPLES = 8
"""Calibration examples for a probe: ranges change no latency, so that a few will do."""


@dataclass(frozen=True)
class Maker:
    """How a graph becomes an artifact.

    Attributes:
        runtime: its name.
        settings: how to quantize; None for float32.
        activations: the 8-bit type that the runtime wants.
        inputs: the model's own, a batch of 1.
        calibration: a few batches of inputs.
    """

    runtime: str
    settings: Quantize | None
    activations: Activations
    inputs: tuple[torch.Tensor, ...]
    calibration: Sequence[tuple[torch.Tensor, ...]]

    @property
    def precision(self) -> Precision:
        """What a table of these artifacts is of."""
        return "fp32" if self.settings is None else self.settings.scheme

    def make(self, graph: Graph, folder: Path) -> Artifact:
        """The graph's artifact in a folder, which is made; one that is there already is taken.

        Raises ConversionError where the runtime's converter refuses the graph.
        """
        path = folder / f"model{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[self.runtime]]}"
        if not path.is_file():
            folder.mkdir(parents=True, exist_ok=True)
            settings = self.settings
            whole = settings is not None and settings.scheme == "int8"
            quantized = self._quantized(graph, settings) if settings and whole else None
            export_graph(
                graph, quantized, graph.inputs, path,
                runtime=self.runtime, activations=self.activations,
                weights=settings.scheme if settings and not whole else "fp32",
            )  # fmt: skip
        sha256, size_bytes = digest(files_of(path))
        return Artifact(path, FORMAT_OF_RUNTIME[self.runtime], sha256, size_bytes, (), ())

    def _quantized(self, graph: Graph, settings: Quantize) -> Quantized:
        """A window, which has inputs of its own, is calibrated on them."""
        own = graph.inputs is self.inputs
        return quantize(graph, self.calibration if own else [graph.inputs], settings)


def few(batches: Sequence[tuple[torch.Tensor, ...]]) -> list[tuple[torch.Tensor, ...]]:
    """The first examples of the first batch."""
    return [tuple(tensor[:EXAMPLES] for tensor in inputs) for inputs in batches[:1]]


def planned(
    graph: Graph, evidence: BlockEvidence, widths: Mapping[str, int], blocks: Sequence[str]
) -> PrunePlan:
    """The plan that leaves these widths, by the names of the graph without these blocks; groups
    that are not named stay whole. Which channels go is of no matter to a device: the last do."""
    going = plan_blocks(evidence, names=blocks) if blocks else ()
    whole = plan(graph, ratio=0.0, blocks=going)
    groups = tuple(
        one.model_copy(update={"removed": tuple(range(widths.get(one.name, one.size), one.size))})
        for one in whole.groups
    )
    return whole.model_copy(update={"groups": groups})


def pruned(
    graph: Graph, evidence: BlockEvidence, widths: Mapping[str, int], blocks: Sequence[str]
) -> Graph:
    """The graph at these widths and without these blocks."""
    return apply(graph, planned(graph, evidence, widths, blocks))
