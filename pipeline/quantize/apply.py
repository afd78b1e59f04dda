"""Applying: the plan's numbers put into a copy of the graph. The only part that makes one."""

from dataclasses import dataclass

import torch
from torch.fx import GraphModule

from pipeline.graph import Graph
from pipeline.graph.copying import copied
from pipeline.quantize import norms
from pipeline.quantize.plan import QuantPlan, TensorQuantization
from pipeline.quantize.prepared import Prepared, prepare
from pipeline.quantize.pt2e import FixedQParamsObserver, convert_pt2e
from pipeline.quantize.weights import GREATEST, scales_of
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
    prepared = prepare(graph.module, frozenset(plan.keeps), float_outlets=plan.float_outlets)
    check_fits(prepared, plan)
    by_tensor = {entry.tensor: entry for entry in plan.tensors}
    for place in prepared.activations:
        prepared.replace(place, _observer(by_tensor[place.tensor]))
    by_weight = {entry.weight: entry for entry in plan.weights}
    for place in prepared.weights:
        entry = by_weight[str(place.observed.target)]
        scales = scales_of(prepared.weight(place), entry, plan.settings)
        prepared.replace(place, _weight_observer(scales, entry.channel_axis))
    folded = _converted(copied(prepared.module), fold_quantize=True)
    unfolded = _converted(prepared.module, fold_quantize=False)
    return Quantized(folded, unfolded, plan)


def _converted(module: GraphModule, *, fold_quantize: bool) -> GraphModule:
    """A prepared graph with operators in the places of its observers."""
    norms.hide(module)  # torchao would look for norms in training, which takes it 10 s
    with silence():
        made: GraphModule = convert_pt2e(module, fold_quantize=fold_quantize)
    norms.show(made)
    made.recompile()
    return made


def check_fits(prepared: Prepared, plan: QuantPlan) -> None:
    """Raise ArtifactError for the plan of another model, naming the first difference."""
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


def _weight_observer(scales: torch.Tensor, channel_axis: int) -> FixedQParamsObserver:
    """PT2E's observer of what is known is for one scale; given several, it passes them on."""
    observer = FixedQParamsObserver(
        scale=1.0,
        zero_point=0,
        dtype=torch.int8,
        qscheme=torch.per_channel_symmetric,
        quant_min=-GREATEST,
        quant_max=GREATEST,
    )
    observer.ch_axis = channel_axis
    observer.scale = scales
    observer.zero_point = torch.zeros_like(scales, dtype=torch.int64)
    return observer
