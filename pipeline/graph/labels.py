"""Propagation: a label for every dimension of every tensor of a graph.

Parameters and buffers are ordinary values with a fresh axis per dimension, keyed by storage, so
that ties are shared and computed weights need no special case. The model's inputs carry None and
its outputs are pinned: neither ever changes shape.
"""

import operator
from collections.abc import Iterator
from dataclasses import dataclass

import torch
from torch import fx

from pipeline.graph.attributes import attribute, storage_key
from pipeline.graph.operators import rule_for
from pipeline.graph.operators.entry import Call, Known, Labels, Result
from pipeline.graph.shapes import Shape, Shapes, observe
from pipeline.graph.terms import Label, Terms

FAULTS = (  # what a rule raises that gives up
    ArithmeticError,
    AssertionError,
    AttributeError,
    LookupError,
    NotImplementedError,
    RuntimeError,
    TypeError,
    ValueError,
)


@dataclass(frozen=True)
class Parameter:
    """A stored tensor: all the names it has, in state-dict order, and a label per dimension.
    `trained` tells a parameter from a buffer."""

    names: tuple[str, ...]
    shape: Shape
    labels: Labels
    trained: bool


@dataclass(frozen=True)
class Labelled:
    """A graph's labels: `known` holds those of every node by name, `declined` the names of nodes
    without a rule, or whose rule gave up."""

    known: Known
    parameters: tuple[Parameter, ...]
    order: tuple[str, ...]  # parameter names by their first use in the graph
    declined: frozenset[str]

    @property
    def terms(self) -> Terms:
        """The store that the labels speak of."""
        return self.known.terms

    def vectors(self) -> Iterator[Label]:
        """Every label of every node and parameter, in the graph's order, with repetitions."""
        for result in self.known.labels.values():
            for labels in result if isinstance(result, tuple) else (result,):
                yield from labels
        for parameter in self.parameters:
            yield from parameter.labels


def propagate(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> Labelled:
    """Label a graph for inputs of these shapes (a dynamic batch of at least 2).

    Convolutions may lose whole groups, unless that tangles them with other dimensions: a channel
    shuffle between groups that do not divide each other, say. Those are then labelled without, and
    lose what they can inside their groups.
    """
    shapes = observe(module, inputs)
    undivided: frozenset[str] = frozenset()
    while True:
        labelled = _propagate(module, shapes, undivided)
        tangled = _tangled(labelled.known)
        if not tangled:
            return labelled
        undivided |= tangled


def _propagate(module: fx.GraphModule, shapes: Shapes, undivided: frozenset[str]) -> Labelled:
    store = _Store(module)
    known = Known(module, store.terms, shapes, {}, undivided=undivided)
    for node in module.graph.nodes:
        result = _label(node, known, store)
        if result is not None:
            known.labels[node.name] = result
    declined = frozenset(store.declined)
    return Labelled(known, store.parameters(), _first_uses(module), declined)


def _tangled(known: Known) -> frozenset[str]:
    """The nodes whose groups were tied to other dimensions by a guess."""
    return frozenset(
        name for name, axes in known.divided.items() if any(map(known.terms.is_guessed, axes))
    )


def _label(node: fx.Node, known: Known, store: "_Store") -> Result | None:
    if node.op == "placeholder":
        return [None] * len(known.shapes.tensor.get(node.name, ()))
    if node.op == "get_attr":
        return store.labels(str(node.target))
    if node.op == "output":
        known.terms.because = "the model's output never changes shape"
        _pin_inputs(node, known)
    elif node.op == "call_function":
        return _label_call(node, known, store)
    return None


def _label_call(node: fx.Node, known: Known, store: "_Store") -> Result | None:
    if node.target is operator.getitem:
        return _item(node, known)
    if node.name not in known.shapes.tensor and node.name not in known.shapes.several:
        return None  # a number: it is computed anew from the shapes
    target = node.target
    rule = rule_for(target) if isinstance(target, torch._ops.OpOverload) else None
    if rule is None:
        store.declined.add(node.name)
        return _fall_back(node, known, f"no rule for '{target}' ({node.name})")
    known.terms.because = _tie(node)
    try:
        result = rule.label(Call(node, known))
        _check(node, known.shapes, result)
    except FAULTS as fault:
        store.declined.add(node.name)
        return _fall_back(node, known, f"the rule for '{target}' ({node.name}) gave up: {fault}")
    return result


def _tie(node: fx.Node) -> str:
    """The reason for what a rule ties to a dimension without atoms."""
    given = [source.name for source in node.all_input_nodes if source.op == "placeholder"]
    if given:
        return f"the model's input '{given[0]}' never changes shape"
    return f"'{node.target}' ({node.name}) ties it to a dimension that never changes"


def _item(node: fx.Node, known: Known) -> Result | None:
    source, index = node.args
    assert isinstance(source, fx.Node)
    several = known.labels.get(source.name)
    return several[index] if isinstance(several, tuple) and isinstance(index, int) else None


def _fall_back(node: fx.Node, known: Known, reason: str) -> Result:
    """What nobody knows a rule for keeps all that reaches it. Correct for every operator."""
    known.terms.because = reason
    _pin_inputs(node, known)
    if node.name in known.shapes.tensor:
        return [None] * len(known.shapes.tensor[node.name])
    return tuple([None] * len(shape or ()) for shape in known.shapes.several[node.name])


def _pin_inputs(node: fx.Node, known: Known) -> None:
    for source in node.all_input_nodes:
        result = known.labels.get(source.name, [])
        for labels in result if isinstance(result, tuple) else (result,):
            for label in labels:
                known.terms.pin(label)


def _check(node: fx.Node, shapes: Shapes, result: Result) -> None:
    """A rule's answer has a label of the right length for every dimension."""
    if isinstance(result, tuple):
        expected = shapes.several[node.name]
    else:
        result, expected = (result,), (shapes.tensor[node.name],)
    for labels, shape in zip(result, expected, strict=True):
        for label, size in zip(labels, shape or (), strict=True):
            if label is not None and len(label) != size:
                raise ValueError(f"{len(label)} labels for a dimension of {size}")


class _Store:
    """Parameters and buffers by storage: a fresh axis per dimension, made at first sight."""

    def __init__(self, module: fx.GraphModule) -> None:
        self.module = module
        self.terms = Terms()
        self.declined: set[str] = set()
        self._names: dict[tuple[object, ...], list[str]] = {}
        self._labels: dict[tuple[object, ...], Labels] = {}
        self._shapes: dict[tuple[object, ...], Shape] = {}

    def labels(self, name: str) -> Labels | None:
        """The labels of a stored tensor; None for an attribute that is no tensor."""
        tensor = attribute(self.module, name)
        if not isinstance(tensor, torch.Tensor):
            return None
        key = storage_key(tensor)
        if key not in self._labels:
            shape = tuple(tensor.shape)
            self._shapes[key], self._names[key] = shape, []
            self._labels[key] = [self.terms.fresh(size) if size else None for size in shape]
        if name not in self._names[key]:
            self._names[key].append(name)
        return self._labels[key]

    def parameters(self) -> tuple[Parameter, ...]:
        """All stored tensors that the graph names."""
        return tuple(
            Parameter(
                tuple(names),
                self._shapes[key],
                self._labels[key],
                isinstance(attribute(self.module, names[0]), torch.nn.Parameter),
            )
            for key, names in self._names.items()
        )


def _first_uses(module: fx.GraphModule) -> tuple[str, ...]:
    seen: dict[str, None] = {}
    for node in module.graph.nodes:
        for source in node.all_input_nodes:
            if source.op == "get_attr":
                seen.setdefault(str(source.target))
    return tuple(seen)
