"""What is to be chosen: widths and blocks, what they cost under every limit and what they lose."""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass

from pipeline.prune.allocation import Floats
from pipeline.prune.limits import Charge, Legal, check_charges, standing_terms
from pipeline.prune.removable import Removable, check_blocks

ROUNDING = 1e-9  # of a budget: sums of floating-point numbers in another order


@dataclass(frozen=True)
class Tradeoff:
    """A model's choices.

    Attributes:
        legal: the widths that each group may have.
        charges: the limits. A term of a group vanishes where a block takes the group with it.
        losses: per group, the divergence at each legal width, ascending widths.
        blocks: those that may go.
    """

    legal: Legal
    charges: tuple[Charge, ...]
    losses: Mapping[str, Floats]
    blocks: tuple[Removable, ...] = ()

    def __post_init__(self) -> None:
        """Raises ValueError for parts that do not belong together."""
        check_blocks(self.legal, self.blocks)
        check_charges(self.legal, self.charges, [block.name for block in self.blocks])
        for name, widths in self.legal.widths.items():
            if name not in self.losses or self.losses[name].shape != (len(widths),):
                raise ValueError(f"{name}: a divergence is needed for each of {len(widths)} widths")

    def going(self, blocks: Collection[str]) -> list[Removable]:
        """The blocks of these names."""
        return [block for block in self.blocks if block.name in blocks]

    def without(self, blocks: Collection[str]) -> set[str]:
        """The groups that go with these blocks."""
        return {name for block in self.going(blocks) for name in block.effect.gone}

    def loss(self, widths: Mapping[str, int], blocks: Collection[str] = ()) -> float:
        """The summed divergence: of blocks that go, and of groups that stand for themselves."""
        going = self.going(blocks)
        silent = self.without(blocks).union(*(block.effect.absorbed for block in going))
        own = self.legal.widths
        lost = (self.losses[name][own[name].index(widths[name])] for name in own.keys() - silent)
        return float(sum(sorted(lost)) + sum(block.loss for block in going))

    def cost(
        self, charge: Charge, widths: Mapping[str, int], blocks: Collection[str] = ()
    ) -> float:
        """What a limit is charged."""
        gone = self.without(blocks)
        standing = standing_terms(charge.terms, blocks)
        return charge.constant + sum(
            term.at(self.legal, widths) for term in standing if gone.isdisjoint(term.everyone)
        )

    def fits(self, widths: Mapping[str, int], blocks: Collection[str] = ()) -> bool:
        """Whether every limit is met."""
        return all(
            self.cost(charge, widths, blocks) <= charge.most + ROUNDING * abs(charge.most)
            for charge in self.charges
        )

    def allowed(self, widths: Mapping[str, int], blocks: Sequence[str] = ()) -> bool:
        """Whether these blocks may go together, and leave these widths."""
        going = self.going(blocks)
        if any(one.name in two.overlaps for one in going for two in going):
            return False
        whole = {name for block in going for name in (*block.effect.gone, *block.effect.held)}
        if any(widths[name] != self.legal.full(name) for name in whole):
            return False
        joined = [names for block in going for names in block.effect.joined]
        return all(len({widths[name] for name in names}) == 1 for names in joined)
