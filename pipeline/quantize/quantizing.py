"""Observe, decide, apply: int8 by post-training quantization."""

from collections.abc import Iterable

from torch import Tensor

from pipeline.graph import Graph
from pipeline.quantize.apply import Quantized, apply
from pipeline.quantize.decide import decide
from pipeline.quantize.observations import Observations
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
    refuse_weightless(observed)
    decided = Settings(
        scheme="int8", mode="ptq", range=settings.range, weight_range="least-squares"
    )
    return apply(graph, decide(observed, decided))


def refuse_weightless(observed: Observations) -> None:
    """Raise TaskError where no operator with weights can be int8: nothing would be faster."""
    if observed.weights:
        return
    kinds = dict.fromkeys(f"{one.operator.split('.')[1]} {one.reason}" for one in observed.floats)
    raise TaskError(
        "quantize: no operator of the model that has weights has an int8 rule"
        f"{': ' if kinds else ''}{', '.join(kinds)}; leave the step out"
    )


def refuse_quantized(graph: Graph) -> None:
    """Raise UsageError for a graph that is quantized already."""
    for node in graph.module.graph.nodes:
        if getattr(node.target, "namespace", "") in QUANTIZED_NAMESPACES:
            raise UsageError(
                f"quantize: the model is quantized already (at '{node.name}'); give the float model"
            )
