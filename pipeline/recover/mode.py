"""Training mode for an exported graph, whose mode is written into its operators' arguments.

`torchao.quantization.pt2e.move_exported_model_to_train` does this by replacing patterns, and with
them every batch norm's epsilon and momentum and every dropout's rate by the defaults. Here only
the arguments `training` and `train` are turned, and turned back to what they were.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass

import torch
from torch import fx

BATCH_NORM = torch.ops.aten.batch_norm.default
DEFAULT_MOMENTUM = 0.1
"""For a batch norm that averages over all batches: in evaluation mode its graph says momentum 0,
by which running statistics would never move."""


@dataclass(frozen=True)
class _Turned:
    module: fx.GraphModule
    node: fx.Node
    before: tuple[fx.node.Argument, ...]


@contextmanager
def training(module: fx.GraphModule) -> Iterator[None]:
    """Batch norm uses and gathers statistics, dropout drops, as long as the context lasts."""
    turned = [_turn(part, node) for part in _graphs(module) for node in part.graph.nodes]
    changed = [one for one in turned if one is not None]
    _recompile(changed)
    try:
        yield
    finally:
        for one in changed:
            one.node.args = one.before
        _recompile(changed)


def _graphs(module: fx.GraphModule) -> list[fx.GraphModule]:
    return [part for part in module.modules() if isinstance(part, fx.GraphModule)]


def _turn(module: fx.GraphModule, node: fx.Node) -> _Turned | None:
    if not isinstance(node.target, torch._ops.OpOverload):
        return None
    names = [argument.name for argument in node.target._schema.arguments]
    position = next((names.index(name) for name in ("training", "train") if name in names), None)
    if position is None or position >= len(node.args):
        return None
    before = node.args
    args = list(before)
    args[position] = True
    if node.target is BATCH_NORM and args[position + 1] == 0.0:
        args[position + 1] = DEFAULT_MOMENTUM
    node.args = tuple(args)
    return _Turned(module, node, before)


def _recompile(changed: list[_Turned]) -> None:
    for module in {id(one.module): one.module for one in changed}.values():
        module.recompile()
