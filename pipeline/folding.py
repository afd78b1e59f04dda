"""Operations on inputs that become part of the model: its graph starts with them.

They run in a hook before the module's own forward, so that every name in it stays what it was.
"""

from collections.abc import Callable, Sequence

import torch
from torch import Tensor, nn

from pipeline.processing.before import Layout, Normalize, Preprocess, Scale
from pipeline.processing.declared import Declared, DeclaredInput
from pipeline.processing.flow import State

Inputs = tuple[Tensor, ...]
Step = Callable[[Tensor], Tensor]
Line = tuple[Tensor, Tensor]
"""A factor and an offset, in float64."""


def into(module: nn.Module, declared: Declared) -> nn.Module:
    """The module with the folded operations done first; the same one where nothing is folded."""
    chains = [_forwards(one) if one else [] for one in declared.inputs]
    if any(chains):
        module.register_forward_pre_hook(lambda _, inputs: _through(chains, inputs))
    return module


def before(inputs: Inputs, declared: Declared) -> Inputs:
    """What the folded operations would make these inputs of."""
    chains = [_backwards(one) if one else [] for one in declared.inputs]
    return _through(chains, inputs) if any(chains) else inputs


def _through(chains: Sequence[Sequence[Step]], inputs: Inputs) -> Inputs:
    found = list(inputs)
    for index, chain in enumerate(chains):
        for step in chain:
            found[index] = step(found[index])
    return tuple(found)


def _forwards(one: DeclaredInput) -> list[Step]:
    """The fewest operators: one product and one sum between changes of layout."""
    steps: list[Step] = []
    line: Line | None = None
    for operation, state in zip(one.folded, one.states[len(one.operations) :], strict=False):
        if isinstance(operation, Layout):
            steps += [*([_affine(*line)] if line else []), _turned(operation.to)]
            line = None
        else:
            line = _through_line(line, _line(operation, state))
    return [*steps, *([_affine(*line)] if line else [])]


def _line(one: Preprocess, state: State) -> Line:
    """An operation as factor and offset, in shapes that broadcast."""
    if isinstance(one, Scale):
        return torch.tensor([one.factor]).double(), torch.tensor([one.offset]).double()
    assert isinstance(one, Normalize), f"{one.op} is never folded"
    mean, std = (_by_channel(numbers, state) for numbers in (one.mean, one.std))
    return 1 / std, -mean / std


def _through_line(first: Line | None, then: Line) -> Line:
    """Both as one: then(first(x))."""
    if first is None:
        return then
    return first[0] * then[0], first[1] * then[0] + then[1]


def _affine(factor: Tensor, offset: Tensor) -> Step:
    factor, offset = factor.float(), offset.float()
    return lambda x: x * factor + offset


def _turned(to: str) -> Step:
    return lambda x: x.permute(*_order(to))


def _backwards(one: DeclaredInput) -> list[Step]:
    states = one.states[len(one.operations) :]
    return [_undone(*pair) for pair in reversed(list(zip(one.folded, states, strict=False)))]


def _undone(one: Preprocess, state: State) -> Step:
    if isinstance(one, Layout):
        back = _order("HWC" if one.to == "CHW" else "CHW")
        return lambda x: x.permute(*back).contiguous()
    factor, offset = _line(one, state)
    return lambda x: ((x - offset) / factor).float()


def _by_channel(numbers: tuple[float, ...], state: State) -> Tensor:
    """One number for each channel, in a shape that broadcasts over the batch."""
    shape = [1] * (1 + len(state.shape))
    shape[1 + state.channel_axis] = -1
    return torch.tensor(numbers).double().reshape(shape)


def _order(to: str) -> tuple[int, ...]:
    return (0, 3, 1, 2) if to == "CHW" else (0, 2, 3, 1)
