"""Observe, decide, apply: int8 by post-training quantization."""

from collections.abc import Iterable

from torch import Tensor

from pipeline.graph import Graph
from pipeline.quantize.apply import Quantized, apply
from pipeline.quantize.decide import decide
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from pipeline.recipe import Quantize
from targets.errors import TaskError, UsageError

QUANTIZED_NAMESPACES = ("quantized_decomposed", "torchao", "quantized")


def quantize(
    graph: Graph, calibration: Iterable[tuple[Tensor, ...]], settings: Quantize
) -> Quantized:
    """Quantizes a copy of a float graph to int8; the graph is left as it was.

    `calibration` yields tuples of input tensors of any batch size. The same graph, data and
    settings give the same plan and the same graph.

    Raises UsageError for a graph that is quantized already, and TaskError for calibration data
    that is empty or not finite, or a model in which nothing can be int8.
    """
    refuse_quantized(graph)
    observed = observe(graph, calibration)
    if not observed.weights and not observed.groups:
        raise TaskError("quantize: no operator of the model has an int8 rule; leave the step out")
    return apply(graph, decide(observed, Settings(scheme="int8", mode="ptq", range=settings.range)))


def refuse_quantized(graph: Graph) -> None:
    """Raise UsageError for a graph that is quantized already."""
    for node in graph.module.graph.nodes:
        if getattr(node.target, "namespace", "") in QUANTIZED_NAMESPACES:
            raise UsageError(
                f"quantize: the model is quantized already (at '{node.name}'); give the float model"
            )
