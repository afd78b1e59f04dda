"""Windows: sites cut out of a graph with their neighbours, small enough to probe many of them."""

from collections.abc import Iterable, Iterator

import torch
from torch import fx

from pipeline.cost.reading import Reading
from pipeline.graph.operators.entry import operator_name
from pipeline.graph.shapes import double_batch, observe
from pipeline.graph.trace import Graph
from pipeline.prune.regions import Flow
from targets.errors import ConversionError


def around(graph: Graph, reading: Reading, sites: Iterable[str]) -> Graph:
    """The window of these sites, with the sites before and after them.

    What it is given from outside are inputs of its own; its weights are the graph's. Raises
    ConversionError where it can't stand alone, with the reason.
    """
    nodes = {node.name: node for node in graph.module.graph.nodes}
    owner = {name: site for site, names in reading.nodes.items() for name in names}
    chosen = set(sites)
    for site in sorted(chosen):
        for name in reading.nodes[site]:
            for near in (*nodes[name].all_input_nodes, *nodes[name].users):
                chosen.add(owner.get(near.name, site))
    return _Cut(graph).of({name for site in chosen for name in reading.nodes[site]})


class _Cut:
    """One window in the making."""

    def __init__(self, graph: Graph) -> None:
        self._source = graph
        inputs = double_batch(graph.inputs, graph.dynamic_batch)
        self._times = inputs[0].shape[0] // max(1, graph.inputs[0].shape[0]) if inputs else 1
        self._shapes = observe(graph.module, inputs)
        self._flow = Flow(graph.module, (*self._shapes.tensor, *self._shapes.several))
        self._graph = fx.Graph()
        self._made: dict[fx.Node, fx.Node] = {}
        self._inputs: list[torch.Tensor] = []

    def of(self, names: set[str]) -> Graph:
        """The window of these nodes."""
        order = list(self._source.module.graph.nodes)
        inside = [node for node in order if node.name in names]
        given = {one for node in inside for one in self._flow.data_inputs(node)}
        for node in order:
            if node in given and node.name not in names:
                self._enter(node)
        for node in inside:
            self._copy(node)
        left = [node for node in inside if any(user.name not in names for user in node.users)]
        self._graph.output(tuple(self._made[node] for node in left))
        self._graph.lint()
        module = fx.GraphModule(self._source.module, self._graph)
        source = self._source
        return Graph(module, tuple(self._inputs), source.dynamic_batch, source.static_reason)

    def _enter(self, node: fx.Node) -> None:
        """A value from outside as an input: normal random numbers of its shape."""
        value = node.meta.get("val")
        if not isinstance(value, torch.Tensor) or not value.is_floating_point():
            raise ConversionError(f"a window can't be given '{node.name}': it is no float tensor")
        made = self._graph.placeholder(node.name)
        made.meta.update(node.meta)
        self._made[node] = made
        shape = self._shapes.tensor[node.name]
        first = shape[0] // self._times if self._source.dynamic_batch else shape[0]
        generator = torch.Generator().manual_seed(len(self._inputs))
        random = torch.randn((first, *shape[1:]), generator=generator, dtype=value.dtype)
        self._inputs.append(random)

    def _copy(self, node: fx.Node) -> None:
        """A node with the constants that it takes."""
        for one in self._constants(node):
            if one not in self._made:
                self._copy(one)
        copied = self._graph.node_copy(node, lambda one: self._made[one])
        self._made[node] = copied

    def _constants(self, node: fx.Node) -> Iterator[fx.Node]:
        for one in node.all_input_nodes:
            if self._flow.is_data(one):
                continue
            if _is_size(one) and one.all_input_nodes[0] not in self._made:
                self._made[one] = self._batch(one)
            yield one

    def _batch(self, node: fx.Node) -> fx.Node:
        """The size of the batch, read off the window's own input."""
        if node.args[1] != 0 or not self._inputs:
            raise ConversionError(f"a window can't be given the size '{node.name}'")
        entered = next(iter(self._graph.nodes))
        made = self._graph.call_function(torch.ops.aten.sym_size.int, (entered, 0))
        made.meta.update(node.meta)
        return made


def _is_size(node: fx.Node) -> bool:
    return hasattr(node.target, "_schema") and operator_name(node) == "sym_size"
