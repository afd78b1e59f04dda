"""Channel groups: the atoms that a plan may remove, and what can't be removed and why.

A group is a set of atoms that were made for one axis and occur in the same label vectors equally
often; each of its channels can go alone. Names are a parameter's name and dimension, so they are
the same for every fresh trace of the same code.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np

from pipeline.graph.attributes import storage_key
from pipeline.graph.census import Census, Mask, totals
from pipeline.graph.classes import gather
from pipeline.graph.counting import take_census
from pipeline.graph.labels import Labelled, propagate
from pipeline.graph.pinned import Pinned, find_pinned
from pipeline.graph.shapes import double_batch
from pipeline.graph.solution import Solution
from pipeline.graph.terms import Atoms
from pipeline.graph.trace import Graph


@dataclass(frozen=True)
class ChannelGroup:
    """Channels of equal standing. Shares are of the model's MACs and parameters that would go
    with the whole group; `parameters` are the dimensions that it reaches, as `name[dimension]`."""

    name: str
    size: int
    macs_share: float
    parameters_share: float
    parameters: tuple[str, ...]


@dataclass(frozen=True)
class ChannelGroups:
    """All groups of a graph, in the order of their first use, and what is pinned."""

    groups: tuple[ChannelGroup, ...]
    pinned: tuple[Pinned, ...]


@dataclass(frozen=True)
class Survey:
    """A graph's groups with everything that planning and surgery ask: labels, atoms, numbers.

    `members[g]` are the atoms of group g, in the order of its channels; `first[g]` is the number
    of its first channel in the census.
    """

    labelled: Labelled
    solution: Solution
    names: tuple[str, ...]
    members: tuple[Atoms, ...]
    reach: tuple[tuple[str, ...], ...]
    pinned: tuple[Pinned, ...]
    census: Census

    @property
    def first(self) -> tuple[int, ...]:
        """Where each group's channels start in the census."""
        starts = np.cumsum([0, *map(len, self.members)])
        return tuple(starts[:-1].tolist())

    def alive(self, removed: dict[str, tuple[int, ...]]) -> Mask:
        """Which channels live when these channels of these groups are removed."""
        alive = self.census.everything()
        for name, first in zip(self.names, self.first, strict=True):
            alive[[first + channel for channel in removed.get(name, ())]] = False
        return alive

    def closed(self, reasons: Sequence[str | None]) -> Mask:
        """What lives when every group goes that has no reason to stay, given one per group."""
        open_to = zip(self.names, self.members, reasons, strict=True)
        return self.alive({name: tuple(range(len(a))) for name, a, why in open_to if why is None})


def groups(graph: Graph) -> ChannelGroups:
    """The channel groups of a graph."""
    found = survey(graph)
    return ChannelGroups(tuple(describe(found)), found.pinned)


def survey(graph: Graph) -> Survey:
    """Propagate labels through a graph and gather the groups; once, while the graph stays as it
    is (weights may change)."""
    basis = _basis(graph)
    known = graph.memo.recall(basis)
    if isinstance(known, Survey):
        return known
    found = _survey(graph)
    graph.memo.keep(basis, found)
    return found


def _basis(graph: Graph) -> object:
    """All that a survey depends on: nodes, stored tensors with their ties, stored numbers."""
    state = graph.module.state_dict(keep_vars=True)
    stored = [(name, tensor.requires_grad, *storage_key(tensor)) for name, tensor in state.items()]
    numbers = [t._version for t in state.values() if t.dim() and not t.is_floating_point()]
    shapes = [tensor.shape for tensor in graph.inputs]
    return graph.module.code, stored, numbers, shapes, graph.dynamic_batch


def _survey(graph: Graph) -> Survey:
    inputs = double_batch(graph.inputs, graph.dynamic_batch)
    labelled = propagate(graph.module, inputs)
    solution = Solution(labelled)
    classes = gather(labelled, solution)
    batch = inputs[0].shape[0] if inputs and inputs[0].dim() else 1
    members = tuple(found.atoms for found in classes)
    census = take_census(graph.module, labelled, solution, members, batch)
    return Survey(
        labelled,
        solution,
        tuple(found.name for found in classes),
        members,
        tuple(found.reach for found in classes),
        find_pinned(labelled, solution),
        census,
    )


def describe(found: Survey) -> Iterator[ChannelGroup]:
    """The groups of a survey, with their shares of the model."""
    census, sizes = found.census, [len(atoms) for atoms in found.members]
    owner = np.repeat(np.arange(len(sizes)), sizes)
    everything = census.everything()
    without = census.kept_without(owner, len(sizes))
    macs = totals(census.macs, without) // census.batch / max(1, census.count_macs(everything))
    weights = totals(census.parameters, without) / max(1, census.count_parameters(everything))
    shares = zip((1 - macs).tolist(), (1 - weights).tolist(), strict=True)
    described = zip(found.names, sizes, shares, found.reach, strict=True)
    for name, size, (macs_share, parameters_share), reach in described:
        yield ChannelGroup(name, size, macs_share, parameters_share, reach)
