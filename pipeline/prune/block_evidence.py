"""Listing blocks: what each of them would save."""

from pipeline.graph.trace import Graph
from pipeline.prune.block_planning import BlockCost, BlockEvidence
from pipeline.prune.blocks import Block, look_for_blocks


def observe_blocks(graph: Graph) -> BlockEvidence:
    """The blocks of a graph, not measured: enough to name those that go. `measure_blocks` adds
    what the outputs become without each."""
    blocks = look_for_blocks(graph)
    costs = tuple(
        BlockCost(
            block.name,
            block.macs,
            block.parameters,
            overlaps=_overlaps(blocks.found, number),
            reason=block.reason,
        )
        for number, block in enumerate(blocks.found)
    )
    return BlockEvidence(costs, blocks.macs)


def _overlaps(blocks: tuple[Block, ...], number: int) -> tuple[int, ...]:
    own = blocks[number]
    others = enumerate(blocks)
    return tuple(place for place, one in others if place != number and own.overlaps(one))
