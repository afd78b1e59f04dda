"""Observe, decide, apply: int8 by post-training quantization."""

from collections.abc import Iterable, Sequence

from torch import Tensor

from pipeline.graph import Graph
from pipeline.quantize.apply import Quantized, apply
from pipeline.quantize.decide import decide
from pipeline.quantize.observations import Observations
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import QuantPlan, Settings
from pipeline.recipe import Quantize
from pipeline.recipe_quantize import Range
from targets.errors import TaskError, UsageError

Batches = Iterable[tuple[Tensor, ...]]

QUANTIZED_NAMESPACES = ("quantized_decomposed", "torchao", "quantized")


def quantize(
    graph: Graph, calibration: Batches, settings: Quantize, keeps: Sequence[str] = ()
) -> Quantized:
    """Quantizes a copy of a float graph to int8; the graph is left as it was.

    The same graph, data and settings give the same plan and the same graph. Takes and raises what
    `planned` does.
    """
    return apply(graph, planned(graph, calibration, settings.range, keeps))


def planned(
    graph: Graph, calibration: Batches, ranges: Range, keeps: Sequence[str] = ()
) -> QuantPlan:
    """The int8 plan of a float graph.

    Args:
        graph: it is not changed.
        calibration: tuples of input tensors of any batch size.
        ranges: how the ranges of activations are chosen.
        keeps: nodes that stay float; `regions.closed` says which can.

    Raises UsageError for a graph that is quantized already, and TaskError for calibration data
    that is empty or not finite, or a model in which nothing can be int8.
    """
    refuse_quantized(graph)
    observed = observe(graph, calibration, frozenset(keeps))
    _refuse_weightless(observed)
    settings = Settings(scheme="int8", mode="ptq", range=ranges, weight_range="least-squares")
    return decide(observed, settings)


def _refuse_weightless(observed: Observations) -> None:
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
