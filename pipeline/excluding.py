"""What a recipe wants to stay float, found in a graph by its patterns; and int8 without it."""

from collections.abc import Sequence

from pipeline.graph import Graph
from pipeline.quantize import Quantized, quantize
from pipeline.quantize.exclusion import named
from pipeline.quantize.layout import layout
from pipeline.quantize.quantizing import Batches
from pipeline.quantize.regions import closed
from pipeline.recipe import Quantize


def kept(graph: Graph, patterns: Sequence[str]) -> tuple[str, ...]:
    """The operators that the patterns mean, and what has to stay float beside them, in the graph's
    order. A pattern may match nothing: pruning takes blocks away."""
    if not patterns:
        return ()
    parts = layout(graph)
    return closed(parts, {node for pattern in patterns for node in named(parts, pattern)})


def quantized(graph: Graph, calibration: Batches, settings: Quantize) -> Quantized:
    """The int8 form of a copy of a float graph, without what the settings exclude. Raises as
    `quantize` does."""
    return quantize(graph, calibration, settings, kept(graph, settings.exclude))
