"""The training split, shuffled anew every epoch by our own seed."""

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.utils import _pytree as pytree

from pipeline.metrics import ScoredTask
from targets.errors import TaskError

Batch = tuple[tuple[Tensor, ...], object]

MEMORY_BYTES = 1_000_000_000
"""A split of at most this size is held for an epoch and shuffled sample by sample."""


@dataclass(frozen=True)
class Pass:
    """The batches of one epoch, in random order where they can be held, and how many they are."""

    batches: Iterable[Batch]
    count: int


def passes(task: ScoredTask, epochs: int, generator: torch.Generator) -> Iterator[Pass]:
    """One pass through the training split per epoch.

    The task is asked for its batches every epoch, since it may augment them; whether it shuffles
    them does not matter. Where samples can't be stacked, whole batches are shuffled; a split too
    large to be held comes in the task's own order.

    Raises:
        TaskError: the split is empty.
    """
    count, held = _read(task.batches("train"))
    if not count:
        raise TaskError("batches('train') is empty; recovery needs at least one batch")
    yield Pass(_shuffled(held, generator) if held else task.batches("train"), count)
    for _ in range(1, epochs):
        if held:
            count, held = _read(task.batches("train"))
        yield Pass(_shuffled(held, generator) if held else task.batches("train"), count)


def _read(batches: Iterable[Batch]) -> tuple[int, list[Batch]]:
    """The number of batches, and the batches; none of them where they are too large."""
    held: list[Batch] = []
    size = count = 0
    for batch in batches:
        count += 1
        size += _bytes(batch)
        if size > MEMORY_BYTES:
            held.clear()
        else:
            held.append(batch)
    return count, held


def _bytes(batch: Batch) -> int:
    return sum(leaf.nbytes for leaf in pytree.tree_leaves(batch) if isinstance(leaf, Tensor))


def _shuffled(batches: list[Batch], generator: torch.Generator) -> Iterator[Batch]:
    joined = _joined(batches)
    if joined is None:
        drawn = torch.randperm(len(batches), generator=generator)
        yield from (batches[index] for index in drawn.tolist())
        return
    leaves, spec = joined
    order = torch.randperm(len(leaves[0]), generator=generator)
    # Equal parts: a last batch of one sample would have no batch statistics.
    for rows in order.tensor_split(len(batches)):
        yield pytree.tree_unflatten([leaf[rows] for leaf in leaves], spec)


def _joined(batches: list[Batch]) -> tuple[list[Tensor], pytree.TreeSpec] | None:
    """All batches as one, leaf by leaf, where every leaf has its samples in dimension 0."""
    flat = [pytree.tree_flatten(batch) for batch in batches]
    if not flat or any(spec != flat[0][1] for _, spec in flat):
        return None
    if not all(_stackable(leaves, flat[0][0]) for leaves, _ in flat):
        return None
    columns = zip(*(leaves for leaves, _ in flat), strict=True)
    return [torch.cat(column) for column in columns], flat[0][1]


def _stackable(leaves: list[object], first: list[object]) -> bool:
    tensors = [
        (one, other)
        for one, other in zip(leaves, first, strict=True)
        if isinstance(one, Tensor) and isinstance(other, Tensor) and one.dim()
    ]
    if len(tensors) != len(first):
        return False
    same_rest = all(a.shape[1:] == b.shape[1:] and a.dtype == b.dtype for a, b in tensors)
    return same_rest and len({len(one) for one, _ in tensors}) == 1
