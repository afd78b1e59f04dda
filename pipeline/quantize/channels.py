"""Which tensors have their channels in common, so that one factor per channel goes through all.

A factor that is positive goes unchanged through rectifiers, pooling, and the addition of two
tensors that carry the same one. What it can't go through pins the channels, with a reason.
"""

import math
from collections.abc import Iterator
from dataclasses import dataclass, field

import torch
from torch.fx import GraphModule, Node

from pipeline.graph.operators.entry import bind, operator_name
from pipeline.quantize.floats import is_float
from pipeline.quantize.fold import bias_of, stored, weight_of, weighted

ELEMENTWISE = frozenset(
    {
        "alias",
        "clone",
        "contiguous",
        "dropout",
        "dropout_",
        "leaky_relu",
        "leaky_relu_",
        "relu",
        "relu_",
    }
)
"""f(s x) = s f(x) for every positive s and each element."""

SPATIAL = frozenset(
    {
        "adaptive_avg_pool1d",
        "adaptive_avg_pool2d",
        "avg_pool2d",
        "max_pool2d",
        "upsample_nearest2d",
    }
)
"""f(s x) = s f(x) for every positive s, within each channel of an image."""

ADDITIONS = frozenset({"add", "add_"})
LINEAR = torch.ops.aten.linear.default


@dataclass
class Stream:
    """Tensors with one factor per channel.

    Attributes:
        size: how many channels.
        axis: the dimension that holds them: 1, or -1 behind a linear layer that reads more than two
            dimensions.
        tensors: the nodes that give them.
        producers: the operators whose output channels they are.
        consumers: the operators whose input channels they are, each with how many of its features
            in a row are one channel.
        pinned: why the factors have to be 1; "" where they don't.
    """

    size: int
    axis: int
    tensors: list[Node] = field(default_factory=list)
    producers: list[Node] = field(default_factory=list)
    consumers: list[tuple[Node, int]] = field(default_factory=list)
    pinned: str = ""


def streams(module: GraphModule) -> list[Stream]:
    """The streams of a folded graph that weighted operators make and others read, in order, and
    those that are pinned before one reads them."""
    found = _Flow(module).streams()
    return [one for one in found if one.producers and (one.consumers or one.pinned)]


class _Flow:
    """Follows channels through a graph."""

    def __init__(self, module: GraphModule) -> None:
        self._weighted = {node: _outputs(module, node) for node in weighted(module)}
        self._shared = _used_twice(module)
        self._stream: dict[Node, Stream] = {}
        self._repeat: dict[Node, int] = {}
        for node in module.graph.nodes:
            if node.op == "output" or (node.op != "get_attr" and is_float(node)):
                self._follow(node)

    def streams(self) -> Iterator[Stream]:
        """Each once."""
        yield from {id(stream): stream for stream in self._stream.values()}.values()

    def _follow(self, node: Node) -> None:
        data = [one for one in node.all_input_nodes if one in self._stream]
        name = operator_name(node) if isinstance(node.target, torch._ops.OpOverload) else node.op
        if node in self._weighted:
            self._multiply(node)
        elif len(data) == 1 and (repeat := self._repeated(node, name, data[0])):
            self._pass(node, data[0], repeat)
        elif name in ADDITIONS and len(data) == 2 and self._adds_alike(node, *data):
            self._join(node, *data)
        else:
            for one in data:
                self._pin(self._stream[one], f"{name} '{node.name}' reads them")
            self._begin(node, 0, 1).pinned = f"{name} '{node.name}' makes them"

    def _begin(self, node: Node, size: int, axis: int) -> Stream:
        stream = Stream(size, axis, [node])
        self._stream[node], self._repeat[node] = stream, 1
        return stream

    def _multiply(self, node: Node) -> None:
        data = node.args[0]
        assert isinstance(data, Node)
        is_last = node.target is LINEAR and _rank(data) > 2
        reads = self._stream[data]
        makes = self._begin(node, self._weighted[node], -1 if is_last else 1)
        reads.consumers.append((node, self._repeat[data]))
        makes.producers.append(node)
        if weight_of(node) in self._shared or bias_of(node) in self._shared:
            for stream in (reads, makes):
                self._pin(stream, f"'{node.name}' shares its weight")
        if reads.axis != makes.axis:
            self._pin(reads, f"'{node.name}' reads another dimension")

    def _repeated(self, node: Node, name: str, data: Node) -> int:
        """How many features in a row are one channel behind an operator that a factor goes through;
        0 for other operators."""
        repeat = self._repeat[data]
        if name in ELEMENTWISE:
            return repeat
        if self._stream[data].axis != 1:
            return 0
        if name in SPATIAL or _averages_space(node):
            return repeat
        return repeat * _flattened(node, name, data)

    def _adds_alike(self, node: Node, first: Node, second: Node) -> bool:
        """Whether two tensors of one shape, with the same channels, are added as they are."""
        axes = {self._stream[one].axis for one in (first, second)}
        repeats = {self._repeat[one] for one in (first, second)}
        alike = first.meta["val"].shape == second.meta["val"].shape
        plain = not node.kwargs and len(node.args) == 2
        return bool(plain and alike and len(axes) == len(repeats) == 1)

    def _pass(self, node: Node, data: Node, repeat: int) -> None:
        stream = self._stream[data]
        stream.tensors.append(node)
        self._stream[node], self._repeat[node] = stream, repeat

    def _join(self, node: Node, first: Node, second: Node) -> None:
        kept, gone = self._stream[first], self._stream[second]
        if kept is not gone:
            kept.tensors += gone.tensors
            kept.producers += gone.producers
            kept.consumers += gone.consumers
            self._pin(kept, gone.pinned)
            moved = {one: kept for one, stream in self._stream.items() if stream is gone}
            self._stream |= moved
        self._pass(node, first, self._repeat[first])

    def _pin(self, stream: Stream, reason: str) -> None:
        stream.pinned = stream.pinned or reason


def _outputs(module: GraphModule, node: Node) -> int:
    return len(stored(module, bias_of(node)))


def _used_twice(module: GraphModule) -> set[str]:
    """Weights and biases that several nodes read, or one under several names."""
    uses: dict[str, int] = {}
    tensors = {
        name: id(one)
        for named in (module.named_parameters, module.named_buffers)
        for name, one in named(remove_duplicate=False)
    }
    for node in module.graph.nodes:
        if node.op == "get_attr":
            uses[str(node.target)] = uses.get(str(node.target), 0) + len(node.users)
    of_tensor: dict[int, int] = {}
    for name, count in uses.items():
        if name in tensors:
            of_tensor[tensors[name]] = of_tensor.get(tensors[name], 0) + count
    return {name for name in uses if of_tensor.get(tensors.get(name, 0), 0) > 1}


def _rank(node: Node) -> int:
    return int(node.meta["val"].dim())


def _averages_space(node: Node) -> bool:
    """Whether a mean is over an image's height and width."""
    if node.target is not torch.ops.aten.mean.dim:
        return False
    arguments = bind(node)
    data, over = arguments["self"], arguments["dim"]
    if not isinstance(data, Node) or _rank(data) != 4:
        return False
    return isinstance(over, list | tuple) and {one % 4 for one in over} == {2, 3}


def _flattened(node: Node, name: str, data: Node) -> int:
    """How many places of an image a flattening puts in a row for each channel; 0 for others."""
    if name not in ("flatten", "view", "reshape"):
        return 0
    before, after = data.meta["val"].shape, node.meta["val"].shape
    if len(before) < 3 or len(after) != 2 or before[0] != after[0]:
        return 0
    return math.prod(int(size) for size in before[2:])
