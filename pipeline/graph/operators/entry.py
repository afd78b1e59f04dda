"""One operator of the exported graph as the rules see it.

An `Operator` is the one entry that a kind of operator has: how labels go through it, how its
constant arguments follow the kept sizes, and its multiply-accumulates. A `Call` is one node
of the graph, its arguments named by the operator's schema.
"""

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import cast

import numpy as np
import numpy.typing as npt
import torch
from torch import fx
from torch.fx.node import Argument

from pipeline.graph.shapes import Shape, Shapes
from pipeline.graph.terms import Label, Terms

Labels = list[Label]
Result = Labels | tuple[Labels, ...]
Dimension = tuple[Label, int]
Product = tuple[Dimension, ...]  # its value is the product of the kept sizes of its dimensions
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class Value:
    """A tensor in the graph: the node that gives it, its shape and a label per dimension."""

    node: fx.Node
    shape: Shape
    labels: Labels


@dataclass(frozen=True)
class Known:
    """What is known of a graph so far: its terms, its shapes, and the labels of nodes by name.

    `divided` are the axes of groups, by the node that may lose whole ones; `undivided` names the
    nodes that may not.
    """

    module: fx.GraphModule
    terms: Terms
    shapes: Shapes
    labels: dict[str, Result]
    divided: dict[str, Labels] = field(default_factory=dict)
    undivided: frozenset[str] = frozenset()


class Call:
    """One node that calls an operator."""

    def __init__(self, node: fx.Node, known: Known) -> None:
        """Bind the node's arguments to the names in the operator's schema."""
        self.node = node
        self.known = known
        self.module = known.module
        self.terms = known.terms
        self.operator = operator_name(node)
        self.arguments = bind(node)

    # ---------------------------------------------------------------- what it is given
    def tensor(self, *names: str) -> Value:
        """The tensor of the first of these arguments that the operator has."""
        found = next((self.arguments[name] for name in names if name in self.arguments), None)
        if not isinstance(found, fx.Node):
            raise LookupError(f"{self.operator} has no tensor argument {' or '.join(names)}")
        return self.value(found)

    def tensor_or_none(self, name: str) -> Value | None:
        """The tensor of an argument that may be left out."""
        found = self.arguments.get(name)
        return self.value(found) if isinstance(found, fx.Node) else None

    def tensors(self, name: str) -> list[Value]:
        """The tensors of an argument that is a list."""
        found = self.arguments[name]
        assert isinstance(found, (list, tuple)), f"{self.operator}.{name} is no list of tensors"
        return [self.value(item) for item in found if isinstance(item, fx.Node)]

    def every_tensor(self) -> list[Value]:
        """All tensors that the operator takes, in order."""
        known = self.known.shapes.tensor
        return [self.value(node) for node in self.node.all_input_nodes if node.name in known]

    def value(self, node: fx.Node) -> Value:
        """The tensor that a node gives."""
        labels = self.known.labels[node.name]
        assert isinstance(labels, list), f"{node.name} gives several tensors"
        return Value(node, self.known.shapes.tensor[node.name], labels)

    def number(self, item: object) -> int:
        """An integer argument, or the number that a node computes for it."""
        found = self.known.shapes.number[item.name] if isinstance(item, fx.Node) else item
        assert isinstance(found, (int, float)), f"{self.operator}: {found!r} is no number"
        return int(found)

    def integer(self, name: str) -> int:
        """An integer argument by its name."""
        return self.number(self.arguments[name])

    def listed(self, *names: str) -> list[object]:
        """A list argument as it stands in the graph: integers, and nodes that compute one."""
        found = next(self.arguments[name] for name in names if name in self.arguments)
        return list(found) if isinstance(found, (list, tuple)) else [found]

    def integers(self, *names: str) -> list[int]:
        """A list argument as integers."""
        return [self.number(item) for item in self.listed(*names)]

    def dimension(self, rank: int, name: str = "dim") -> int:
        """A dimension argument counted from the front."""
        return self.integer(name) % rank

    # ---------------------------------------------------------------- what it gives
    @property
    def shape(self) -> Shape:
        """The shape of the one tensor that the operator gives."""
        return self.known.shapes.tensor[self.node.name]

    @property
    def shapes(self) -> tuple[Shape, ...]:
        """The shapes of the several tensors that the operator gives."""
        return tuple(shape or () for shape in self.known.shapes.several[self.node.name])

    @property
    def gives_one(self) -> bool:
        """Whether the operator gives one tensor, not a tuple of them."""
        return self.node.name in self.known.shapes.tensor

    @property
    def labels(self) -> Labels:
        """The labels of the one tensor that the operator gives."""
        return self.value(self.node).labels

    def alike(self, labels: Labels) -> Result:
        """These labels for everything that the operator gives."""
        return labels if self.gives_one else tuple(list(labels) for _ in self.shapes)

    # ---------------------------------------------------------------- equations
    def pin(self, label: Label, reason: str = "needs every index") -> None:
        """Keep every index; the reason reads on from the operator's name, "" for none to give."""
        before = self.terms.because
        self.terms.because = f"{self.operator} '{self.node.name}' {reason}" if reason else ""
        self.terms.pin(label)
        self.terms.because = before

    def unify(self, a: Label, b: Label) -> Label:
        """The label of two dimensions that must stay equal."""
        return self.terms.unify(a, b)


class Rewrite(Call):
    """One node of a graph that is being cut: its constants follow what is kept."""

    def __init__(
        self,
        node: fx.Node,
        known: Known,
        alive: Callable[[Label, int], Mask],
        module: fx.GraphModule,
    ) -> None:
        """`alive` tells which of a dimension's indices are kept. Constants are read from the
        graph as it was, and written to the module that is being cut."""
        super().__init__(node, known)
        self.alive = alive
        self._cut = module

    def kept(self, label: Label, size: int) -> int:
        """How many indices of a dimension are kept."""
        return int(self.alive(label, size).sum())

    def kept_shape(self) -> list[int]:
        """The shape that the operator's one tensor will have."""
        return [self.kept(*pair) for pair in zip(self.labels, self.shape, strict=True)]

    def kept_blocks(self, label: Label, size: int, blocks: int) -> int:
        """How many of a dimension's equal blocks keep anything."""
        return int(self.alive(label, size).reshape(blocks, -1).any(axis=1).sum())

    def store(self, tensor: torch.Tensor, like: fx.Node) -> fx.Node:
        """A node that gives a new buffer of the module, of this node's own, in place of `like`."""
        name = f"{self.node.name}_kept"
        while hasattr(self._cut, name):
            name += "_again"
        self._cut.register_buffer(name, tensor)
        with self._cut.graph.inserting_before(self.node):
            made = self._cut.graph.get_attr(name)
        mode = getattr(like.meta.get("val"), "fake_mode", None)
        if mode is not None:
            made.meta["val"] = mode.from_tensor(tensor)
        return made

    def set(self, name: str, value: object) -> None:
        """Give one argument another value."""
        schema = _schema(self.node).arguments
        position = [argument.name for argument in schema].index(name)
        constant = cast(Argument, value)
        if position < len(self.node.args):
            self.node.update_arg(position, constant)
        else:
            self.node.update_kwarg(name, constant)


@dataclass(frozen=True)
class Operator:
    """The one entry of a kind of operator: its label rule, its rewrite rule, its work."""

    label: Callable[[Call], Result]
    rewrite: Callable[[Rewrite], None] | None = None
    macs: Callable[[Call], list[Product]] | None = None


Rules = Mapping[str, Operator]


def operator_name(node: fx.Node) -> str:
    """The operator's name without its overload, as `conv2d` for aten.conv2d.padding."""
    return str(_schema(node).name).split("::")[1]


def bind(node: fx.Node) -> dict[str, object]:
    """The node's arguments by the names in the operator's schema, defaults included."""
    bound: dict[str, object] = {}
    for position, argument in enumerate(_schema(node).arguments):
        if position < len(node.args):
            bound[argument.name] = node.args[position]
        else:
            default = argument.default_value if argument.has_default_value() else None
            bound[argument.name] = node.kwargs.get(argument.name, default)
    return bound


def _schema(node: fx.Node) -> torch.FunctionSchema:
    target = node.target
    assert isinstance(target, torch._ops.OpOverload), f"{node.name} calls no operator"
    return target._schema


def dimensions(value: Value) -> list[Dimension]:
    """The label and the size of every dimension."""
    return list(zip(value.labels, value.shape, strict=True))
