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
    states = one.states[len(one.operations) :]
    return [_step(*pair) for pair in zip(one.folded, states, strict=False)]


def _backwards(one: DeclaredInput) -> list[Step]:
    states = one.states[len(one.operations) :]
    return [_undone(*pair) for pair in reversed(list(zip(one.folded, states, strict=False)))]


def _step(one: Preprocess, state: State) -> Step:
    match one:
        case Scale():
            return lambda x: x * one.factor + one.offset
        case Normalize():
            mean, std = _by_channel(one, state)
            return lambda x: (x - mean) / std
        case Layout():
            return lambda x: x.permute(*_order(one.to))
    raise AssertionError(f"{one.op} is never folded")


def _undone(one: Preprocess, state: State) -> Step:
    match one:
        case Scale():
            return lambda x: (x - one.offset) / one.factor
        case Normalize():
            mean, std = _by_channel(one, state)
            return lambda x: x * std + mean
        case Layout():
            return lambda x: x.permute(*_order("HWC" if one.to == "CHW" else "CHW")).contiguous()
    raise AssertionError(f"{one.op} is never folded")


def _by_channel(one: Normalize, state: State) -> tuple[Tensor, Tensor]:
    """Mean and deviation in a shape that broadcasts over the batch."""
    shape = [1] * (1 + len(state.shape))
    shape[1 + state.channel_axis] = -1
    return torch.tensor(one.mean).reshape(shape), torch.tensor(one.std).reshape(shape)


def _order(to: str) -> tuple[int, ...]:
    return (0, 3, 1, 2) if to == "CHW" else (0, 2, 3, 1)
