"""Which nodes of a graph hold the same memory, and which write into it.

Exported graphs keep in-place operators, and views share the memory of what they view. A node's
result alone doesn't say so: dropout in evaluation mode gives its input itself. So the graph runs
once on fake tensors, whose storages alias as the real ones do.
"""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from pipeline.graph.operators.entry import bind
from pipeline.graph.shapes import Shape, Shapes

Storages = frozenset[int]


@dataclass(frozen=True)
class Layout:
    """How a tensor lies in memory."""

    shape: Shape
    stride: tuple[int, ...]
    dtype: torch.dtype


@dataclass
class Memory:
    """Per node name: the shapes of what it gives, its layout, and the numbers of its storages.

    `merge` follows the surgery: what one tensor takes over from another shares its memory.
    """

    shapes: Shapes
    layouts: dict[str, Layout]
    storages: dict[str, Storages]
    _owner: dict[int, int] = field(default_factory=dict)

    def of(self, node: fx.Node) -> Storages:
        """The storages that a node's tensors lie in."""
        return frozenset(self._root(number) for number in self.storages.get(node.name, ()))

    def written(self, node: fx.Node) -> Storages:
        """The storages that a node writes into."""
        return frozenset(number for target in targets(node) for number in self.of(target))

    def read(self, node: fx.Node) -> Storages:
        """The storages that a node is given."""
        return frozenset(number for given in node.all_input_nodes for number in self.of(given))

    def merge(self, nodes: Iterable[fx.Node]) -> None:
        """From now on these nodes share one memory."""
        numbers = sorted({number for node in nodes for number in self.of(node)})
        for number in numbers[1:]:
            self._owner[number] = numbers[0]

    def _root(self, number: int) -> int:
        while number in self._owner:
            number = self._owner[number]
        return number


def targets(node: fx.Node) -> Iterator[fx.Node]:
    """The nodes whose tensors a node writes into, by its operator's schema."""
    if not isinstance(node.target, torch._ops.OpOverload):
        return
    arguments = bind(node)
    for argument in node.target._schema.arguments:
        if argument.alias_info is not None and argument.alias_info.is_write:
            found = arguments[argument.name]
            for item in found if isinstance(found, (list, tuple)) else [found]:
                if isinstance(item, fx.Node):
                    yield item


def recall(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> Memory:
    """What every node holds for inputs of these shapes."""
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    recorder = _Recorder(module)
    with mode, torch.no_grad():
        recorder.run(*[mode.from_tensor(tensor) for tensor in inputs])
    shapes = Shapes(recorder.tensor, recorder.several, recorder.number)
    return Memory(shapes, recorder.layouts, recorder.storages)


class _Recorder(fx.Interpreter):
    """Runs a graph, notes what each node gave, and lets go of nothing: a freed storage's number
    would be given again."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module, garbage_collect_values=False)
        self.layouts: dict[str, Layout] = {}
        self.storages: dict[str, Storages] = {}
        self.tensor: dict[str, Shape] = {}
        self.several: dict[str, tuple[Shape | None, ...]] = {}
        self.number: dict[str, int | float | bool] = {}

    def run_node(self, n: fx.Node) -> object:
        result: object = super().run_node(n)
        if isinstance(result, torch.Tensor):
            shape = tuple(result.shape)
            self.tensor[n.name] = shape
            self.layouts[n.name] = Layout(shape, tuple(result.stride()), result.dtype)
            self.storages[n.name] = frozenset((_storage(result),))
        elif isinstance(result, (tuple, list)):
            parts = [part if isinstance(part, torch.Tensor) else None for part in result]
            self.several[n.name] = tuple(p if p is None else tuple(p.shape) for p in parts)
            self.storages[n.name] = frozenset(_storage(p) for p in parts if p is not None)
        elif isinstance(result, (int, float)):
            self.number[n.name] = result
        return result


def _storage(tensor: torch.Tensor) -> int:
    number: int = tensor.untyped_storage()._cdata
    return number
