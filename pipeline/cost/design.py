"""Which whole models to probe: the corners first, then widths and blocks drawn at random.

A total tells nothing of its parts unless the parts vary independently, so every draw has a ratio
of its own, and every group strays from it on its own.
"""

from collections.abc import Mapping, Sequence
from typing import NamedTuple

import numpy as np

from pipeline.prune.block_planning import BlockEvidence
from pipeline.prune.widths import allowed_widths, nearest

STEPS = ((64, 4), (256, 8))
"""Groups up to so many channels are probed at multiples of so many; wider ones of WIDEST_STEP."""
WIDEST_STEP = 16
_WHOLE = 0.4  # the share of draws with all blocks
_LEAST_RATIO = 0.15
_STRAY = (0.1, 0.3, 0.6)


class Design(NamedTuple):
    """A model to probe: the blocks that go, and per group the share of its width that stays.

    Widths are shares until the graph without the blocks is known: it may have other groups.
    """

    name: str
    blocks: tuple[str, ...]
    base: float
    stray: float
    seed: int

    def widths(self, sizes: Mapping[str, int]) -> dict[str, int]:
        """The widths of groups of these sizes."""
        generator = np.random.default_rng(self.seed)
        return {name: self._width(size, generator) for name, size in sizes.items()}

    def _width(self, size: int, generator: np.random.Generator) -> int:
        share = self.base + generator.uniform(-self.stray, self.stray)
        return nearest(grid(size), float(np.clip(share, 0.0, 1.0)) * size)


def grid(size: int) -> tuple[int, ...]:
    """The widths of a group that are probed at all."""
    step = next((step for most, step in STEPS if size <= most), WIDEST_STEP)
    return allowed_widths(size, step)


def corners(blocks: Sequence[str]) -> list[Design]:
    """The narrowest, and both again without any block: nothing that is asked of a fit to these
    lies outside."""
    found = [Design("narrowest", (), 0.0, 0.0, 0)]
    if blocks:
        found.append(Design("without blocks", tuple(blocks), 1.0, 0.0, 0))
        found.append(Design("narrowest without blocks", tuple(blocks), 0.0, 0.0, 0))
    return found


def draw(number: int, blocks: Sequence[str], seed: int) -> Design:
    """The design of this number, from 1."""
    generator = np.random.default_rng((seed, number))
    gone: tuple[str, ...] = ()
    if blocks and generator.random() > _WHOLE:
        count = int(generator.integers(1, len(blocks) + 1))
        chosen = sorted(generator.choice(len(blocks), count, replace=False).tolist())
        gone = tuple(blocks[place] for place in chosen)
    base = float(generator.uniform(_LEAST_RATIO, 1.0))
    stray = float(generator.choice(_STRAY))
    return Design(f"model {number}", gone, base, stray, int(generator.integers(1 << 31)))


def disjoint(evidence: BlockEvidence) -> list[str]:
    """Blocks that can all go together, in order."""
    chosen: list[int] = []
    for number, block in enumerate(evidence.blocks):
        if block.reason is None and not set(chosen).intersection(block.overlaps):
            chosen.append(number)
    return [evidence.blocks[number].name for number in chosen]
