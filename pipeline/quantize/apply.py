"""Applying: the plan's numbers put into a copy of the graph. The only part that makes one."""

from dataclasses import dataclass

import torch
from torch.fx import GraphModule

from pipeline.graph import Graph
from pipeline.graph.copying import copied
from pipeline.quantize.plan import QuantPlan, TensorQuantization
from pipeline.quantize.prepared import Prepared, prepare
from pipeline.quantize.pt2e import FixedQParamsObserver, convert_pt2e
from targets.conversion import silence
from targets.errors import ArtifactError


@dataclass(frozen=True)
class Quantized:
    """A quantized graph in the two forms that exporters take, and the plan behind it.

    Attributes:
        folded: weights are stored as int8.
        unfolded: weights are stored as float32, quantized and dequantized in the graph.
        plan: every scale and zero point.
    Both forms compute the same function.
    """

    folded: GraphModule
    unfolded: GraphModule
    plan: QuantPlan


def apply(graph: Graph, plan: QuantPlan) -> Quantized:
    """Quantizes a copy of the graph by the plan; no data is needed.

    Raises ArtifactError for the plan of another model, naming the first difference.
    """
    prepared = prepare(graph.module)
    _compare(prepared, plan)
    by_tensor = {entry.tensor: entry for entry in plan.tensors}
    for place in prepared.activations:
        prepared.replace(place, _observer(by_tensor[place.tensor]))
    with torch.no_grad():
        for place in prepared.weights:
            prepared.observer(place)(prepared.module.get_parameter(str(place.observed.target)))
    with silence():
        folded = convert_pt2e(copied(prepared.module), fold_quantize=True)
        unfolded = convert_pt2e(prepared.module, fold_quantize=False)
    return Quantized(folded, unfolded, plan)


def _compare(prepared: Prepared, plan: QuantPlan) -> None:
    there = [place.tensor for place in prepared.activations]
    there += [str(place.observed.target) for place in prepared.weights]
    planned = [entry.tensor for entry in plan.tensors]
    planned += [entry.weight for entry in plan.weights]
    if missing := sorted(set(planned) - set(there)):
        raise ArtifactError(f"quantization plan is for another model: there is no '{missing[0]}'")
    if extra := sorted(set(there) - set(planned)):
        raise ArtifactError(f"quantization plan is for another model: it lacks '{extra[0]}'")


def _observer(entry: TensorQuantization) -> FixedQParamsObserver:
    return FixedQParamsObserver(
        scale=entry.scale,
        zero_point=entry.zero_point,
        dtype=torch.int8,
        qscheme=torch.per_tensor_affine,
        quant_min=-128,
        quant_max=127,
    )
