"""What every node of a graph gives: shapes of tensors and plain numbers, found without computing.

They are read off the nodes' own fake tensors, where those were made for inputs of the same shapes;
else the graph runs once on fake tensors (shapes without storage), which costs no arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

from pipeline.graph.attributes import attribute

Shape = tuple[int, ...]
Number = int | float | bool


@dataclass(frozen=True)
class Shapes:
    """Per node name: a tensor's shape, the shapes of several tensors, or a number."""

    tensor: Mapping[str, Shape] = field(default_factory=dict)
    several: Mapping[str, tuple[Shape | None, ...]] = field(default_factory=dict)
    number: Mapping[str, Number] = field(default_factory=dict)


def observe(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> Shapes:
    """The shapes of every node for inputs of these shapes."""
    return _read(module, inputs) or _run(module, inputs)


def _read(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> Shapes | None:
    """What the nodes' metadata says; None where any is missing or of other inputs."""
    tensor: dict[str, Shape] = {}
    several: dict[str, tuple[Shape | None, ...]] = {}
    number: dict[str, Number] = {}
    given = iter(inputs)
    for node in module.graph.nodes:
        value = node.meta.get("val")
        if isinstance(value, torch.Tensor):
            tensor[node.name] = _hinted(value)
        elif isinstance(value, (tuple, list)):
            several[node.name] = tuple(
                _hinted(part) if isinstance(part, torch.Tensor) else None for part in value
            )
        elif isinstance(value, (int, float, torch.SymInt)):
            number[node.name] = _hint(value)
        elif value is not None or _gives(module, node):
            return None
        if node.op == "placeholder" and tensor.get(node.name) != tuple(next(given).shape):
            return None
        if node.op == "get_attr" and node.name in tensor:
            stored = attribute(module, str(node.target))
            if not isinstance(stored, torch.Tensor) or stored.shape != tensor[node.name]:
                return None
    return Shapes(tensor, several, number)


def _gives(module: fx.GraphModule, node: fx.Node) -> bool:
    """Whether a node without metadata gives something all the same."""
    if node.op == "get_attr":
        return isinstance(attribute(module, str(node.target)), torch.Tensor)
    return node.op != "output" and bool(node.users)


def _hinted(value: torch.Tensor) -> Shape:
    return tuple(int(_hint(size)) for size in value.shape)


def _hint(size: Number | torch.SymInt) -> Number:
    """The number behind a symbolic size: what it was in the trace."""
    hint: Number | None = size.node.hint if isinstance(size, torch.SymInt) else size
    if hint is None:
        raise ValueError(f"{size} has no number")
    return hint


def _run(module: fx.GraphModule, inputs: tuple[torch.Tensor, ...]) -> Shapes:
    mode = FakeTensorMode(allow_non_fake_inputs=True)
    recorder = _Recorder(module)
    with mode, torch.no_grad():
        recorder.run(*[mode.from_tensor(tensor) for tensor in inputs])
    return Shapes(recorder.tensor, recorder.several, recorder.number)


class _Recorder(fx.Interpreter):
    """Runs a graph and notes what each node gave."""

    def __init__(self, module: fx.GraphModule) -> None:
        super().__init__(module)
        self.tensor: dict[str, Shape] = {}
        self.several: dict[str, tuple[Shape | None, ...]] = {}
        self.number: dict[str, Number] = {}

    def run_node(self, n: fx.Node) -> object:
        result: object = super().run_node(n)
        if isinstance(result, torch.Tensor):
            self.tensor[n.name] = tuple(result.shape)
        elif isinstance(result, (tuple, list)):
            self.several[n.name] = tuple(
                tuple(part.shape) if isinstance(part, torch.Tensor) else None for part in result
            )
        elif isinstance(result, (int, float)):
            self.number[n.name] = result
        return result


def double_batch(inputs: tuple[torch.Tensor, ...], dynamic: bool) -> tuple[torch.Tensor, ...]:
    """Inputs with a batch of two or more where it is dynamic: one would hide its dimension."""
    if not dynamic or inputs[0].shape[0] > 1:
        return inputs
    batch = inputs[0].shape[0]
    return tuple(
        torch.cat([tensor, tensor]) if tensor.dim() and tensor.shape[0] == batch else tensor
        for tensor in inputs
    )
