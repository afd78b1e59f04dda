"""Taking blocks out of a graph: its input in the place of its output, and all that it alone used
gone. The one mutator of depth; it works on a copy."""

from collections.abc import Sequence

import torch
from torch import fx

from pipeline.graph.attributes import attribute, storage_key
from pipeline.graph.copying import copied
from pipeline.graph.shapes import double_batch, observe
from pipeline.graph.trace import Graph
from pipeline.prune.blocks import Block, Blocks, look_for_blocks
from pipeline.prune.hazards import needs_copy
from pipeline.prune.memory import Memory, targets
from pipeline.prune.plans import BlockPlan
from pipeline.prune.regions import Flow
from targets.errors import ArtifactError, EdgesmithError


def without_blocks(graph: Graph, plans: Sequence[BlockPlan]) -> Graph:
    """The graph without the blocks that the plans remove; the same object where none is.

    Raises ArtifactError for another model's plans. The shape of every node that stays is compared
    with what it was; a difference is an EdgesmithError, and nothing is given.
    """
    if not plans:
        return graph
    blocks = look_for_blocks(graph)
    going = check_blocks(blocks, plans)
    return take_out(graph, blocks, going) if going else graph


def extent(graph: Graph) -> tuple[int, int]:
    """A graph's multiply-accumulates per example and its trained parameters."""
    blocks = look_for_blocks(graph)
    return blocks.macs, blocks.parameters


def check_blocks(blocks: Blocks, plans: Sequence[BlockPlan]) -> tuple[Block, ...]:
    """The blocks that go. Raises ArtifactError, naming the first difference, for another model's
    plans, for a block that must stay, and for two that overlap."""
    known = {block.name: block for block in blocks.found}
    going: list[Block] = []
    for planned in plans:
        block = known.get(planned.name)
        if block is None:
            raise _foreign(f"the model lacks block {planned.name}")
        if (block.macs, block.parameters) != (planned.macs, planned.parameters):
            raise _foreign(f"block {planned.name} has other numbers of MACs or parameters")
        if not planned.removed:
            continue
        if block.reason is not None:
            raise ArtifactError(f"block {block.name} can't go: it {block.reason}")
        other = next((one for one in going if one.overlaps(block)), None)
        if other is not None:
            raise ArtifactError(f"blocks {other.name} and {block.name} overlap: remove one of them")
        going.append(block)
    return tuple(block for block in blocks.found if block in going)


def _foreign(difference: str) -> ArtifactError:
    return ArtifactError(f"the plan belongs to another model: {difference}")


def take_out(graph: Graph, blocks: Blocks, going: Sequence[Block]) -> Graph:
    """A copy of the graph without these of its blocks, which are disjoint and in its order."""
    module = copied(graph.module)
    surgery = _Surgery(module, copied(blocks.memory))
    for block in going:
        surgery.take_out(block)
    surgery.sweep()
    _drop_tensors(module, graph.module)
    module.graph.lint()
    module.recompile()
    result = Graph(module, graph.inputs, graph.dynamic_batch, graph.static_reason)
    _check_shapes(result, blocks.memory)
    return result


class _Surgery:
    """One copy of a graph, block after block; its memory follows what is put together."""

    def __init__(self, module: fx.GraphModule, memory: Memory) -> None:
        self._graph = module.graph
        self._memory = memory
        self._flow = Flow(module, (*memory.layouts, *memory.shapes.several))
        self._nodes = {node.name: node for node in self._graph.nodes}
        self._used = {node for node in self._graph.nodes if node.users}
        self._standing: dict[fx.Node, fx.Node] = {}  # what gives an exit's value now

    def take_out(self, block: Block) -> None:
        """The exit's users read what its entry gives."""
        inside = {self._nodes.pop(name) for name in block.nodes}
        exit_ = next(node for node in inside if node.name == block.exit)
        entry = next(node for node in self._flow.order if node.name == block.entry)
        kept = [node for node in self._flow.order if node.name in self._nodes]
        source = self._standing.get(entry, entry)
        if needs_copy(self._flow, self._memory, kept, entry, exit_) or self._relaid(entry, exit_):
            source = self._copy(source, exit_)
        else:
            self._memory.merge((entry, exit_))
        self._standing[exit_] = source
        exit_.replace_all_uses_with(source)
        for node in sorted(inside, key=self._flow.order.__getitem__, reverse=True):
            self._graph.erase_node(node)

    def sweep(self) -> None:
        """Erase what nobody uses any more and what writes nothing."""
        for node in reversed(list(self._graph.nodes)):
            unused = not node.users and node.op in ("call_function", "get_attr")
            if unused and node in self._used and not any(targets(node)):
                self._graph.erase_node(node)

    def _relaid(self, entry: fx.Node, exit_: fx.Node) -> bool:
        """Whether the two lie in memory differently, as views after the exit could notice."""
        one, other = (self._memory.layouts[node.name] for node in (entry, exit_))
        strides = zip(one.shape, one.stride, other.stride, strict=True)
        return any(size > 1 and a != b for size, a, b in strides)

    def _copy(self, source: fx.Node, exit_: fx.Node) -> fx.Node:
        with self._graph.inserting_before(exit_):
            made = self._graph.call_function(
                torch.ops.aten.clone.default, (source,), {"memory_format": torch.contiguous_format}
            )
        made.meta.update(exit_.meta)
        self._memory.storages[made.name] = self._memory.storages[exit_.name]
        self._flow.order[made] = self._flow.order[exit_]
        self._nodes[made.name] = made
        return made


def _drop_tensors(module: fx.GraphModule, whole: fx.GraphModule) -> None:
    """Delete the parameters and buffers that only the blocks used, under all their names."""
    _erase_idle(module, whole)
    before, after = _held(whole), _held(module)
    tensors: dict[str, object] = {name: attribute(module, name) for name in before | after}
    tensors.update(module.named_parameters(remove_duplicate=False))
    tensors.update(module.named_buffers(remove_duplicate=False))
    keys = {name: storage_key(t) for name, t in tensors.items() if isinstance(t, torch.Tensor)}
    staying = {keys[name] for name in after if name in keys}
    leaving = {keys[name] for name in before - after if name in keys} - staying
    for name, key in keys.items():
        if key in leaving:
            _delete(module, name)


def _erase_idle(module: fx.GraphModule, whole: fx.GraphModule) -> None:
    """Buffers that no node reads, as a norm's count of batches, go with their owner's others."""
    read = [str(node.target) for node in whole.graph.nodes if node.op == "get_attr" and node.users]
    lost = {name.rpartition(".")[0] for name in read}
    lost -= {str(n.target).rpartition(".")[0] for n in module.graph.nodes if n.users}
    for node in list(module.graph.nodes):
        idle = node.op == "get_attr" and not node.users
        if idle and str(node.target).rpartition(".")[0] in lost:
            module.graph.erase_node(node)


def _held(module: fx.GraphModule) -> set[str]:
    return {str(node.target) for node in module.graph.nodes if node.op == "get_attr"}


def _delete(module: torch.nn.Module, name: str) -> None:
    """Delete a tensor by its dotted name, and the modules that are empty without it."""
    while name:
        path, _, last = name.rpartition(".")
        owner = attribute(module, path) if path else module
        assert isinstance(owner, torch.nn.Module)
        delattr(owner, last)
        stored = any(isinstance(value, torch.Tensor) for value in vars(owner).values())
        filled = stored or owner._parameters or owner._buffers or owner._modules
        name = "" if filled else path


def _check_shapes(graph: Graph, memory: Memory) -> None:
    try:
        shapes = observe(graph.module, double_batch(graph.inputs, graph.dynamic_batch))
    except RuntimeError as fault:
        raise EdgesmithError(f"pruning was rolled back: it can't run any more ({fault})") from fault
    for name, shape in shapes.tensor.items():
        before = memory.shapes.tensor.get(name, shape)
        if shape != before:
            raise EdgesmithError(
                f"pruning was rolled back: node '{name}' has shape {list(shape)} and had "
                f"{list(before)}. This is a bug; please report it with the model's code"
            )
