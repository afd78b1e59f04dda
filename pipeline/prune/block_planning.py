"""Deciding which blocks go: numbers to plans. Pure, and blind to tensors."""

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pipeline.prune.patterns import matching
from pipeline.prune.plans import BlockPlan
from pipeline.prune.removable import Effect
from targets.errors import UsageError


@dataclass(frozen=True)
class BlockCost:
    """What is known of one block: what it saves, what its absence does to the outputs (mean KL
    divergence to the dense ones, in nats; None where it was not measured), which blocks it shares
    nodes with, by number, why it must stay, and what becomes of the groups without it."""

    name: str
    macs: int
    parameters: int
    divergence: float | None = None
    overlaps: tuple[int, ...] = ()
    reason: str | None = None
    effect: Effect | None = None


@dataclass(frozen=True)
class BlockEvidence:
    """Everything that a decision on blocks rests on; `macs` are those of the whole graph."""

    blocks: tuple[BlockCost, ...]
    macs: int


def plan_blocks(
    evidence: BlockEvidence,
    *,
    count: int | None = None,
    macs: float | None = None,
    names: Sequence[str] | None = None,
    keep: Sequence[str] = (),
) -> tuple[BlockPlan, ...]:
    """Plan which blocks go: this many of the least divergence, or as many as leave this share of
    the MACs at the least divergence per MAC saved, or those of these names.

    Divergences are added as if blocks did not depend on each other. Of blocks that overlap one
    goes. `keep` holds patterns of blocks that stay. Raises UsageError for anything but one target,
    patterns or names that match nothing, and targets that can't be reached.
    """
    if sum(target is not None for target in (count, macs, names)) != 1:
        raise UsageError("blocks: give exactly one of count, macs, names")
    free = _free(evidence, keep)
    if names is not None:
        chosen = {number for name in names for number in _matching(evidence, name)}
        _check_chosen(evidence, chosen)
    elif count is not None:
        chosen = _fewest(evidence, free, count)
    else:
        assert macs is not None
        chosen = _lightest(evidence, free, macs)
    return tuple(
        BlockPlan(
            name=block.name,
            removed=number in chosen,
            macs=block.macs,
            parameters=block.parameters,
            reason=block.reason,
        )
        for number, block in enumerate(evidence.blocks)
    )


def most_blocks(evidence: BlockEvidence, keep: Sequence[str] = ()) -> int:
    """How many blocks can go together, if those of the least divergence go first."""
    return len(_ranked(evidence, _free(evidence, keep)))


def _free(evidence: BlockEvidence, keep: Sequence[str]) -> list[int]:
    """The blocks that may go."""
    kept = {number for pattern in keep for number in _matching(evidence, pattern)}
    blocks = enumerate(evidence.blocks)
    return [number for number, one in blocks if one.reason is None and number not in kept]


def _matching(evidence: BlockEvidence, pattern: str) -> set[int]:
    """The block of this name, or the blocks that a pattern means."""
    names = [block.name for block in evidence.blocks]
    if pattern in names:
        return {names.index(pattern)}
    return matching("blocks", pattern, [[name] for name in names])


def _check_chosen(evidence: BlockEvidence, chosen: set[int]) -> None:
    for number in sorted(chosen):
        block = evidence.blocks[number]
        if block.reason is not None:
            raise UsageError(f"blocks: {block.name} can't go: it {block.reason}")
        for other in chosen.intersection(block.overlaps):
            names = f"{block.name} and {evidence.blocks[other].name}"
            raise UsageError(f"blocks: {names} overlap; name one of them")


def _divergence(evidence: BlockEvidence, number: int) -> float:
    found = evidence.blocks[number].divergence
    if found is None or not math.isfinite(found):
        raise UsageError(
            f"blocks: {evidence.blocks[number].name} has no finite divergence; observe the blocks "
            "with calibration data, or name those that go"
        )
    return found


def _fewest(evidence: BlockEvidence, free: list[int], count: int) -> set[int]:
    chosen = _ranked(evidence, free)
    if not 0 <= count <= len(chosen):
        raise UsageError(f"blocks: count must be 0 to {len(chosen)} for this model, found {count}")
    return set(chosen[:count])


def _ranked(evidence: BlockEvidence, free: list[int]) -> list[int]:
    ranked = sorted(free, key=lambda number: (_divergence(evidence, number), number))
    return _disjoint(evidence, ranked)


def _lightest(evidence: BlockEvidence, free: list[int], share: float) -> set[int]:
    """Greedy by divergence per MAC; afterwards what turned out unneeded stays, dearest first."""
    if not 0 < share <= 1:
        raise UsageError(f"blocks: macs must be above 0 and at most 1, found {share}")
    costs = evidence.blocks
    excess = evidence.macs * (1 - share)
    ranked = sorted(free, key=lambda n: (_divergence(evidence, n) / costs[n].macs, n))
    chosen: list[int] = []
    for number in _disjoint(evidence, ranked):
        if _saved(evidence, chosen) < excess:
            chosen.append(number)
    if _saved(evidence, chosen) < excess:
        least = 1 - _saved(evidence, chosen) / evidence.macs
        raise UsageError(
            f"blocks: {share} of the MACs can't be reached; without all {len(chosen)} blocks that "
            f"may go {least:.4f} are left"
        )
    for number in sorted(chosen, key=lambda n: -_divergence(evidence, n)):
        fewer = [other for other in chosen if other != number]
        if _saved(evidence, fewer) >= excess:
            chosen = fewer
    return set(chosen)


def _saved(evidence: BlockEvidence, chosen: Sequence[int]) -> int:
    return sum(evidence.blocks[number].macs for number in chosen)


def _disjoint(evidence: BlockEvidence, ranked: Sequence[int]) -> list[int]:
    """The blocks in this order, without those that overlap an earlier one."""
    chosen: list[int] = []
    for number in ranked:
        if not set(chosen).intersection(evidence.blocks[number].overlaps):
            chosen.append(number)
    return chosen
