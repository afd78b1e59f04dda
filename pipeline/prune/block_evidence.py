"""Observing blocks: what the model's outputs become without each of them."""

import torch
from torch.nn import functional
from torch.utils import _pytree as pytree

from pipeline.graph.groups import survey
from pipeline.graph.trace import Graph
from pipeline.prune.block_effects import descent
from pipeline.prune.block_planning import BlockCost, BlockEvidence
from pipeline.prune.blocks import Block, look_for_blocks
from pipeline.prune.calibration import CalibrationData, Inputs
from pipeline.prune.removable import Effect
from pipeline.prune.skipping import take_out
from targets.errors import TaskError


def observe_blocks(graph: Graph, data: CalibrationData | None = None) -> BlockEvidence:
    """The blocks of a graph, and per block the divergence of the outputs with it skipped.

    No weight is changed, and one block is skipped at a time. The divergence is the mean over all
    examples of the Kullback-Leibler divergence from the dense outputs to the others, classes in
    dimension 1 of an image of scores (N, C, H, W), else in the last one; for a tensor with one
    value per place it is the mean squared error. Without data nothing is measured. Raises
    TaskError for data that the graph does not take.
    """
    blocks = look_for_blocks(graph)
    divergences: list[float | None] = [None] * len(blocks.found)
    effects: list[Effect | None] = [None] * len(blocks.found)
    if data is not None:
        batches = [inputs for inputs, _ in data.checked(graph).batches]
        dense = [_outputs(graph, inputs) for inputs in batches]
        for number, block in enumerate(blocks.found):
            if block.reason is None:
                without = take_out(graph, blocks, (block,))
                divergences[number] = _measured(without, batches, dense)
                effects[number] = descent(survey(graph), survey(without)).effect
    costs = tuple(
        BlockCost(
            block.name,
            block.macs,
            block.parameters,
            divergences[number],
            _overlaps(blocks.found, number),
            block.reason,
            effects[number],
        )
        for number, block in enumerate(blocks.found)
    )
    return BlockEvidence(costs, blocks.macs)


def _overlaps(blocks: tuple[Block, ...], number: int) -> tuple[int, ...]:
    own = blocks[number]
    others = enumerate(blocks)
    return tuple(place for place, one in others if place != number and own.overlaps(one))


def _outputs(graph: Graph, inputs: Inputs) -> list[torch.Tensor]:
    """The float outputs; inputs are cloned, since a graph may write into them."""
    with torch.no_grad():
        outputs = graph.module(*[tensor.clone() for tensor in inputs])
    leaves = pytree.tree_leaves(outputs)
    return [t for t in leaves if isinstance(t, torch.Tensor) and t.is_floating_point()]


def _measured(graph: Graph, batches: list[Inputs], dense: list[list[torch.Tensor]]) -> float:
    total, examples = 0.0, 0
    for inputs, expected in zip(batches, dense, strict=True):
        found = _outputs(graph, inputs)
        if not found:
            raise TaskError("the model has no float output to compare: blocks can't be observed")
        pairs = zip(found, expected, strict=True)
        mean = sum(_divergence(*pair) for pair in pairs) / len(found)
        total += mean * len(inputs[0])
        examples += len(inputs[0])
    return max(0.0, total / examples)  # rounding can leave it a hair below


def _divergence(found: torch.Tensor, expected: torch.Tensor) -> float:
    found, expected = found.double(), expected.double()
    classes = 1 if found.dim() == 4 else -1
    if found.dim() < 2 or found.shape[classes] == 1:
        return functional.mse_loss(found, expected).item()
    ours, theirs = (functional.log_softmax(one, dim=classes) for one in (found, expected))
    each = functional.kl_div(ours, theirs, reduction="none", log_target=True)
    return each.sum(dim=classes).mean().item()
