"""Reading a graph as sites: what fuses, which axes may be pruned, how much work each site is."""

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from pipeline.cost.describing import Axis, Description, Facts
from pipeline.cost.fusing import Fused, fuse
from pipeline.cost.sites import Kind, Model, Site, Widths
from pipeline.graph.shapes import double_batch, observe
from pipeline.graph.trace import Graph
from pipeline.prune.blocks import find_blocks
from pipeline.prune.regions import Flow


@dataclass(frozen=True)
class Reading:
    """A graph's model, where the widths of each site's axes stand in it and in what pruning leaves
    of it, and the names of the nodes that each site executes."""

    model: Model
    axes: Mapping[str, tuple[Axis, ...]]
    nodes: Mapping[str, tuple[str, ...]]

    def present(self, pruned: Graph) -> dict[str, Widths]:
        """The widths of the sites that a graph pruned from this one still has, by name."""
        shapes = observe(pruned.module, double_batch(pruned.inputs, pruned.dynamic_batch))
        nodes = pruned.module.graph.nodes
        there = {node.name: node for node in nodes if node.op == "call_function"}
        return {
            name: tuple(float(axis.of(there[name], shapes)) for axis in axes)
            for name, axes in self.axes.items()
            if name in there
        }


def read(graph: Graph) -> Reading:
    """The sites of a graph, with its groups and the blocks that can go."""
    facts = Facts(graph)
    removable = [block for block in find_blocks(graph) if block.reason is None]
    everything = fuse(graph.module, facts.flow, facts.shapes, removable)
    names = tuple(block.name for block in removable)
    kinds: dict[str, Kind] = {}
    sites: list[Site] = []
    axes: dict[str, tuple[Axis, ...]] = {}
    for fused in everything:
        described = Description(facts, fused)
        kind = kinds.setdefault(described.name, described.kind())
        sizes = tuple(facts.sizes.of(label) for label in described.labels)
        blocks = tuple(name for name in names if name in fused.blocks)
        sites.append(Site(name=fused.leader.name, kind=kind.name, sizes=sizes, blocks=blocks))
        axes[fused.leader.name] = tuple(described.axes)
    model = Model(
        groups=dict(zip(facts.survey.names, map(len, facts.survey.members), strict=True)),
        blocks=names,
        kinds=kinds,
        sites=tuple(sites),
        moments=tuple(_moments(everything, facts.flow)),
    )
    nodes = {one.leader.name: tuple(node.name for node in one.nodes) for one in everything}
    return Reading(model, axes, nodes)


def _moments(sites: Sequence[Fused], flow: Flow) -> Iterator[tuple[str, ...]]:
    """By liveness: an output is in memory until the last that reads it has run."""
    order = flow.order
    ends = [max((order[user] for user in one.tail.users), default=order[one.tail]) for one in sites]
    for place, one in enumerate(sites):
        start = order[one.leader]
        until = zip(sites[: place + 1], ends, strict=False)
        yield tuple(other.leader.name for other, end in until if other is one or end >= start)
