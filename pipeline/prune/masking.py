"""Blocks and weights that a plan removes, as the reference sees them: in place, without effect."""

from collections.abc import Mapping

import torch
from torch import fx

from pipeline.graph.attributes import attribute, storage_key
from pipeline.graph.operators.entry import Result
from pipeline.graph.trace import Graph
from pipeline.prune.blocks import find_blocks
from pipeline.prune.plans import PrunePlan


class Skipped:
    """The removed blocks by the original graph's own nodes. Of one run: it remembers values."""

    def __init__(self, graph: Graph, plan: PrunePlan) -> None:
        """The plan is one for this graph."""
        names = {block.name for block in plan.blocks if block.removed}
        going = [block for block in find_blocks(graph) if block.name in names] if names else []
        self._branches = {block.branch for block in going if block.branch is not None}
        self._entries = {block.exit: block.entry for block in going}
        self._whole = {block.exit: block.entry for block in going if block.branch is None}
        self._given: dict[str, torch.Tensor] = {}

    def labels(self, known: Mapping[str, Result]) -> dict[str, Result]:
        """What blocks give has the labels of what they are given."""
        labels = dict(known)
        for exit_, entry in self._entries.items():  # in the graph's order, so chains resolve
            labels[exit_] = labels[entry]
        return labels

    def remember(self, name: str, value: torch.Tensor) -> None:
        """Keep what a whole block is given, as it is when it is made."""
        if name in self._whole.values():
            self._given[name] = value.clone()

    def overwrites(self, name: str) -> bool:
        """Whether a node's value is a whole block's output: only its shape matters."""
        return name in self._whole

    def masked(self, name: str, value: torch.Tensor) -> torch.Tensor:
        """Nothing for a branch to add; for a whole block's output, what the block was given."""
        if name in self._branches:
            return torch.zeros_like(value)
        if name in self._whole:
            return value.copy_(self._given[self._whole[name]])
        return value


class Sparse:
    """The weights that a plan makes sparse, under all names that the original graph has of them."""

    def __init__(self, graph: Graph, plan: PrunePlan) -> None:
        """The plan is one for this graph."""
        stored: dict[str, tuple[object, ...]] = {}
        for node in graph.module.graph.nodes if plan.weights else ():
            if node.op == "get_attr":
                found = attribute(graph.module, str(node.target))
                if isinstance(found, torch.Tensor):
                    stored[str(node.target)] = storage_key(found)
        masks = {stored[one.name]: torch.from_numpy(one.stays()) for one in plan.weights}
        self._masks = {name: masks[key] for name, key in stored.items() if key in masks}

    def of(self, node: fx.Node) -> torch.Tensor | None:
        """Which elements of a stored weight stay, in the shape that is kept of it; or None."""
        return self._masks.get(str(node.target)) if node.op == "get_attr" else None
