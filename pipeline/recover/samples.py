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


class Samples:
    """One pass through the training split after another.

    The task is asked for its batches every epoch, since it may augment them; whether it shuffles
    them does not matter. Where samples can't be stacked, whole batches are shuffled; a split too
    large to be held comes in the task's own order.

    Attributes:
        count: the split's batches; 0 before the first pass.
        held: whether they are few enough to be held for an epoch.
    """

    def __init__(
        self, task: ScoredTask, generator: torch.Generator, *, count: int = 0, held: bool = True
    ) -> None:
        """`count` and `held` are those of passes before, where there were any."""
        self._task = task
        self._generator = generator
        self.count = count
        self.held = held

    def next(self) -> Pass:
        """The next pass. Raises TaskError for an empty split."""
        batches: list[Batch] = []
        if self.held:
            self.count, batches = _read(self._task.batches("train"))
            self.held = bool(batches)
        if not self.count:
            raise TaskError("batches('train') is empty; recovery needs at least one batch")
        if not self.held:
            return Pass(self._task.batches("train"), self.count)
        return Pass(_shuffled(batches, self._generator), self.count)


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
