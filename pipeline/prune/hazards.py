"""What in-place operators and shared memory mean for a block that is taken out.

Taking a block out, its exit gives what its entry holds, and both then are one memory. That is
right as long as nobody writes into the one and reads the other afterwards; else a copy is needed.
And the block itself must not have written into memory that somebody reads later.
"""

from collections.abc import Iterable, Set

from torch import fx

from pipeline.prune.memory import Memory, Storages
from pipeline.prune.regions import Flow


def hazard(
    flow: Flow,
    memory: Memory,
    nodes: Set[fx.Node],
    entry: fx.Node,
    exit_: fx.Node,
    joint: fx.Node | None,
) -> str | None:
    """Why in-place operators forbid taking these nodes out; None where they don't.

    `joint` is the sum that a branch ends in. With nothing to add it changes nothing, so what it
    writes is no hazard; for a whole block the same holds of its exit.
    """
    others = [node for node in flow.order if node not in nodes]
    for node in sorted(nodes - {exit_, joint}, key=flow.order.__getitem__):
        written = memory.written(node)
        if joint is not None and written & memory.of(entry):
            return f"'{node.name}' writes into the shortcut"
        for reader in _readers(flow, memory, others, written, after=flow.order[node]):
            given = [one for one in reader.all_input_nodes if memory.of(one) & written]
            if not all(flow.depends(one, exit_) for one in given):
                return f"'{node.name}' writes in place into what '{reader.name}' reads"
    first, last = flow.order[entry], flow.order[exit_]
    for node in others:
        if first < flow.order[node] < last and memory.written(node) & memory.of(entry):
            return f"'{node.name}' writes into the block's input while the block runs"
    return None


def needs_copy(
    flow: Flow, memory: Memory, kept: Iterable[fx.Node], entry: fx.Node, exit_: fx.Node
) -> bool:
    """Whether an exit that gives its entry's own memory would let a later write reach a reader
    that it did not reach before. `kept` are the nodes that stay, and each is later or earlier
    than the exit by the flow's order."""
    ours, theirs = memory.of(exit_), memory.of(entry)
    if ours & theirs:
        return False
    later = [node for node in kept if flow.order[node] > flow.order[exit_]]
    if entry.op != "call_function" and any(memory.written(node) & ours for node in later):
        return True  # the caller's own tensor, or a parameter
    return any(
        next(iter(_readers(flow, memory, later, read, after=flow.order[node])), None) is not None
        for node in later
        for written, read in ((ours, theirs), (theirs, ours))
        if memory.written(node) & written
    )


def _readers(
    flow: Flow, memory: Memory, nodes: Iterable[fx.Node], storages: Storages, after: int
) -> Iterable[fx.Node]:
    """The nodes that are given these storages after a place in the order."""
    if storages:
        for node in nodes:
            if flow.order[node] > after and memory.read(node) & storages:
                yield node
