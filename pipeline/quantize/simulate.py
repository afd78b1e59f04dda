"""Simulating: the float graph with int8's rounding in it, for training; and what training learnt.

The fakes stand where `prepare` puts observers, on the graph as it is: batch norms are not folded,
gather statistics and are trained as ever, and what deployment folds is rounded as it will be then.
"""

from collections.abc import Iterator

import torch
from torch.fx import GraphModule, Node

from pipeline.graph import Graph
from pipeline.quantize.apply import check_fits
from pipeline.quantize.fakes import FakeActivation, FakeWeight
from pipeline.quantize.fold import stored
from pipeline.quantize.norms import BATCH_NORM
from pipeline.quantize.plan import QuantPlan
from pipeline.quantize.prepared import Place, Prepared, prepare

FAKE = "fake_quantize"


def simulate(graph: Graph, plan: QuantPlan) -> Graph:
    """A copy of the graph that computes in float32 what the plan's int8 graph does, and trains.

    Weights keep their names; each scale is a parameter more, where no operator fixes it. Rounding
    passes gradients straight through, and clipping none (Bengio et al. 2013, section 4).

    Raises ArtifactError for the plan of another model, naming the first difference.
    """
    prepared = prepare(graph.module, frozenset(plan.keeps), float_outlets=plan.float_outlets)
    check_fits(prepared, plan)
    simulated = graph.copy()
    _Simulation(simulated.module, prepared, plan).insert()
    return simulated


def learnt(simulated: Graph, graph: Graph, plan: QuantPlan) -> tuple[Graph, QuantPlan]:
    """The graph with the weights that its simulation learnt, and the plan with its scales.

    Args:
        simulated: what `simulate` made of them, after training.
        graph: the float graph. It is not changed.
        plan: the plan that it was simulated by.
    """
    own = graph.module.state_dict()
    trained = {name: one for name, one in simulated.module.state_dict().items() if name in own}
    after = graph.copy()
    after.module.load_state_dict(trained)
    scales = {tensor: fake.affine() for fake in _fakes(simulated.module) for tensor in fake.tensors}
    tensors = tuple(one.model_copy(update={"scale": scales[one.tensor][0]}) for one in plan.tensors)
    weights = tuple(one.model_copy(update={"scales": ()}) for one in plan.weights)
    settings = plan.settings.model_copy(update={"mode": "qat", "weight_range": "min-max"})
    update = {"tensors": tensors, "weights": weights, "settings": settings}
    return after, plan.model_copy(update=update)


def freeze(module: GraphModule) -> None:
    """Lets the scales of a simulation stand still from now on."""
    for fake in _fakes(module):
        fake.log2_scale.requires_grad_(False)
        fake.log2_scale.grad = None


def _fakes(module: GraphModule) -> Iterator[FakeActivation]:
    yield from (one for one in module.modules() if isinstance(one, FakeActivation))


class _Simulation:
    """A float graph that gets fakes where a prepared copy of it has observers."""

    def __init__(self, module: GraphModule, prepared: Prepared, plan: QuantPlan) -> None:
        self._module = module
        self._prepared = prepared
        self._nodes: dict[str, Node] = {node.name: node for node in module.graph.nodes}
        self._weights = {place.target: place for place in prepared.weights}
        self._activations = self._modules(plan)
        self._made: dict[Node, Node] = {}

    def insert(self) -> None:
        """Puts every fake in front of the users that read the observed value."""
        for user in self._prepared.module.graph.nodes:
            if user.name in self._nodes:
                for observer in filter(self._is_observer, user.all_input_nodes):
                    source, fake = self._fake(observer)
                    self._nodes[user.name].replace_input_with(source, fake)
        self._module.recompile()

    def _modules(self, plan: QuantPlan) -> dict[str, FakeActivation]:
        """The fake of every observer of activations, by the observer's target; one for all that
        share an observer."""
        planned = {one.tensor: one for one in plan.tensors}
        sharing: dict[torch.nn.Module, list[Place]] = {}
        for place in self._prepared.activations:
            sharing.setdefault(self._prepared.observer(place), []).append(place)
        modules: dict[str, FakeActivation] = {}
        for places in sharing.values():
            entry = planned[places[0].tensor]
            learns = self._prepared.fixed(places[0]) is None
            names = tuple(place.tensor for place in places)
            fake = FakeActivation(names, entry.scale, entry.zero_point, learns=learns)
            modules |= {place.target: fake for place in places}
        return modules

    def _is_observer(self, node: Node) -> bool:
        target = str(node.target)
        return node.op == "call_module" and (target in self._activations or target in self._weights)

    def _fake(self, observer: Node) -> tuple[Node, Node]:
        """The value's own node, and that of its fake, which is made where there is none."""
        before = observer.args[0]
        assert isinstance(before, Node)
        source, entering = (
            self._fake(before) if self._is_observer(before) else (self._source(before),) * 2
        )
        if observer not in self._made:
            self._made[observer] = self._inserted(str(observer.target), entering)
        return source, self._made[observer]

    def _inserted(self, target: str, entering: Node) -> Node:
        """A new node behind the one whose value it takes."""
        name = f"{FAKE}_{len(self._made)}"
        nodes = self._module.graph
        made: Node
        if target in self._activations:
            self._module.add_submodule(name, self._activations[target])
            with nodes.inserting_after(entering):
                made = nodes.call_module(name, (entering,))
            return made
        axis = self._prepared.channel_axis(self._weights[target])
        norm = self._norm(entering, axis)
        self._module.add_submodule(name, FakeWeight(axis, _epsilon(norm)))
        with nodes.inserting_before(min(entering.users)):
            copied = [nodes.get_attr(str(one.target)) for one in _statistics(norm)]
            made = nodes.call_module(name, (entering, *copied))
        return made

    def _norm(self, weight: Node, axis: int) -> Node | None:
        """The batch norm that is folded into a weight: one factor for each of its channels."""
        channels = stored(self._module, str(weight.target)).shape[axis]
        for user in weight.users:
            for norm in user.users:
                if self._is_folded(norm) and _channels(self._module, norm) == channels:
                    return norm
        return None

    def _source(self, observed: Node) -> Node:
        """The node whose value is observed; of a folded batch norm, the norm."""
        own = self._nodes[observed.name]
        return next((user for user in own.users if self._is_folded(user)), own)

    def _is_folded(self, node: Node) -> bool:
        there = {one.name for one in self._prepared.module.graph.nodes}
        return node.target is BATCH_NORM and node.name not in there


def _statistics(norm: Node | None) -> tuple[Node, ...]:
    """Gain and running variance of a batch norm, as it reads them."""
    if norm is None:
        return ()
    gain, variance = norm.args[1], norm.args[4]
    assert isinstance(gain, Node)
    assert isinstance(variance, Node)
    return gain, variance


def _epsilon(norm: Node | None) -> float:
    epsilon = 0.0 if norm is None else norm.args[7]
    assert isinstance(epsilon, float)
    return epsilon


def _channels(module: GraphModule, norm: Node) -> int | None:
    """How many channels a batch norm has; None where it has no gain or statistics of its own."""
    if not isinstance(norm.args[1], Node) or not isinstance(norm.args[4], Node):
        return None
    return len(stored(module, str(norm.args[1].target)))
