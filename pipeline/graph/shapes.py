"""What every node of a graph gives: shapes of tensors and plain numbers, found without computing.

The graph runs once on fake tensors (shapes without storage), so a large net costs no arithmetic.
"""

from collections.abc import Mapping
from dataclasses import dataclass, field

import torch
from torch import fx
from torch._subclasses.fake_tensor import FakeTensorMode

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
