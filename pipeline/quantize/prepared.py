"""A copy of the graph with an observer at every tensor that becomes int8, and its look-up."""

from dataclasses import dataclass

import torch
from torch.fx import GraphModule, Node

from pipeline.graph.copying import copied
from pipeline.quantize import norms
from pipeline.quantize.fold import stored
from pipeline.quantize.pt2e import FixedQParamsObserver, PerChannelMinMaxObserver, prepare_pt2e
from pipeline.quantize.quantizer import EdgeQuantizer
from targets.conversion import silence


@dataclass(frozen=True)
class Place:
    """One observer in the graph.

    Attributes:
        tensor: the name of the tensor, the same in every trace of the same code; a tensor that a
            user takes with a scale of its own has the user's name behind it.
        target: the observer's name as a submodule.
        observed: the node whose value is observed.
    """

    tensor: str
    target: str
    observed: Node


@dataclass(frozen=True)
class Prepared:
    """A graph with observers. It is a copy: free to be changed."""

    module: GraphModule
    activations: tuple[Place, ...]
    weights: tuple[Place, ...]
    declined: dict[str, str]

    def observer(self, place: Place) -> torch.nn.Module:
        """The observer at a place. Tensors that share a scale have the same one."""
        return self.module.get_submodule(place.target)

    def fixed(self, place: Place) -> tuple[float, int] | None:
        """Scale and zero point where the range is known from the operator, not observed."""
        observer = self.observer(place)
        if not isinstance(observer, FixedQParamsObserver):
            return None
        scale, zero_point = observer.calculate_qparams()
        return float(scale), int(zero_point)

    def channel_axis(self, place: Place) -> int:
        """A weight's axis of output channels."""
        return int(vars(self.observer(place))["ch_axis"])

    def weight(self, place: Place) -> torch.Tensor:
        """The stored tensor at a weight's place, batch norms folded in."""
        return stored(self.module, str(place.observed.target))

    def replace(self, place: Place, observer: torch.nn.Module) -> None:
        """Puts another observer there."""
        self.module.set_submodule(place.target, observer)


def prepare(
    module: GraphModule, keep_float: frozenset[str] = frozenset(), *, float_outlets: bool = False
) -> Prepared:
    """A copy of the graph with batch norms folded away and observers put where the rules say.

    The nodes named in `keep_float` get none. `regions.closed` says which have to stay float
    together. With `float_outlets` what operators with weights compute is not rounded where float
    operators alone read it. Raises ArtifactError for one that the folded graph doesn't have.
    """
    quantizer = EdgeQuantizer(keep_float, float_outlets=float_outlets)
    folded = copied(module)
    norms.take_in(folded)
    norms.hide(folded)
    with silence():
        prepared = prepare_pt2e(folded, quantizer)
    places = _places(prepared)
    weights = tuple(place for place in places if _holds_weight(prepared, place))
    activations = tuple(place for place in places if place not in weights)
    return Prepared(prepared, activations, weights, quantizer.declined)


def _holds_weight(module: GraphModule, place: Place) -> bool:
    return isinstance(module.get_submodule(place.target), PerChannelMinMaxObserver)


def _places(module: GraphModule) -> list[Place]:
    observers = {
        node: str(node.target)
        for node in module.graph.nodes
        if node.op == "call_module" and _is_observer(module, str(node.target))
    }
    places: dict[str, Place] = {}
    for node, target in observers.items():
        observed = node.args[0]
        while observed in observers:  # quantized once more, for a user with another scale
            observed = observed.args[0]
        name = observed.name
        if name in places:
            name = f"{name} for {min(user.name for user in node.users)}"
        places[name] = Place(name, target, observed)
    return list(places.values())


def _is_observer(module: GraphModule, target: str) -> bool:
    return hasattr(module.get_submodule(target), "calculate_qparams")
