"""A plan with more of the graph left float, without observing anew."""

from collections.abc import Iterable

from pipeline.graph import Graph
from pipeline.quantize.layout import layout
from pipeline.quantize.plan import QuantPlan, TensorQuantization
from pipeline.quantize.prepared import prepare
from pipeline.quantize.regions import closed
from targets.errors import ArtifactError


def keeping(
    graph: Graph, plan: QuantPlan, nodes: Iterable[str], *, float_outlets: bool = False
) -> QuantPlan:
    """The plan, with these nodes left float too, and whatever has to stay float with them; with
    `float_outlets` what operators with weights leave to float operators alone is not rounded.

    All other tensors keep the scale that they had. Raises ArtifactError where the plan is for
    another model, and KeyError for a node that the graph with batch norms folded doesn't have.
    """
    keeps = closed(layout(graph), {*plan.keeps, *nodes})
    float_outlets = float_outlets or plan.float_outlets
    prepared = prepare(graph.module, frozenset(keeps), float_outlets=float_outlets)
    planned = {entry.tensor: entry for entry in plan.tensors}
    tensors = tuple(_entry(planned, place.tensor) for place in prepared.activations)
    left = {str(place.observed.target) for place in prepared.weights}
    weights = tuple(entry for entry in plan.weights if entry.weight in left)
    update = {"tensors": tensors, "weights": weights, "keeps": keeps}
    return plan.model_copy(update={**update, "float_outlets": float_outlets})


def _entry(planned: dict[str, TensorQuantization], tensor: str) -> TensorQuantization:
    """A tensor's scale; of one that a user now takes with a scale of its own, the tensor's."""
    found = planned.get(tensor) or planned.get(tensor.split(" for ", maxsplit=1)[0])
    if found is None:
        raise ArtifactError(f"quantization plan is for another model: it lacks '{tensor}'")
    return found.model_copy(update={"tensor": tensor})
