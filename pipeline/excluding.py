"""What a recipe wants to stay float, found in a graph by its patterns; and int8 without it."""

from collections.abc import Iterable, Sequence

from torch import Tensor

from pipeline.graph import Graph
from pipeline.quantize import Quantized, QuantPlan, apply
from pipeline.quantize.decide import decide
from pipeline.quantize.exclusion import named
from pipeline.quantize.layout import layout
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from pipeline.quantize.quantizing import refuse_quantized, refuse_weightless
from pipeline.quantize.regions import closed
from pipeline.recipe import Quantize
from pipeline.recipe_quantize import Range

Batches = Iterable[tuple[Tensor, ...]]


def kept(graph: Graph, patterns: Sequence[str]) -> tuple[str, ...]:
    """The operators that the patterns mean, and what has to stay float beside them, in the graph's
    order. A pattern may match nothing: pruning takes blocks away."""
    if not patterns:
        return ()
    parts = layout(graph)
    return closed(parts, {node for pattern in patterns for node in named(parts, pattern)})


def planned(graph: Graph, calibration: Batches, ranges: Range, keeps: Sequence[str]) -> QuantPlan:
    """The int8 plan of a float graph whose nodes `keeps` stay float.

    Raises UsageError for a graph that is quantized already, and TaskError for calibration data
    that can't be used, or a model in which nothing can be int8.
    """
    refuse_quantized(graph)
    observed = observe(graph, calibration, frozenset(keeps))
    refuse_weightless(observed)
    settings = Settings(scheme="int8", mode="ptq", range=ranges, weight_range="least-squares")
    return decide(observed, settings)


def quantized(graph: Graph, calibration: Batches, settings: Quantize) -> Quantized:
    """The int8 form of a copy of a float graph, without what the settings exclude. Raises as
    `planned` does."""
    keeps = kept(graph, settings.exclude)
    return apply(graph, planned(graph, calibration, settings.range, keeps))
