"""What choosing needs to know of a block: what its absence costs, and what it does to groups."""

from collections.abc import Collection, Iterable, Sequence
from dataclasses import dataclass

from pipeline.prune.limits import Legal


@dataclass(frozen=True)
class Effect:
    """What becomes of the whole graph's groups once a block is gone.

    Attributes:
        gone: groups that lived in the block alone: their widths mean nothing any more.
        joined: sets of groups that become one: what the block computed is read no more, what it was
            computed from is read in its place. All of a set have one width then.
        survivors: of each joined set, the group whose producers stay.
        held: groups that must stay whole then, since what they become can't be told in widths.
    """

    gone: tuple[str, ...] = ()
    joined: tuple[tuple[str, ...], ...] = ()
    survivors: tuple[str, ...] = ()
    held: tuple[str, ...] = ()

    @property
    def absorbed(self) -> set[str]:
        """Groups that a survivor takes the place of: their own divergence counts no more."""
        return {name for joined in self.joined for name in joined} - set(self.survivors)


@dataclass(frozen=True)
class Removable:
    """A block that may go, at this divergence; never together with those that it overlaps."""

    name: str
    loss: float
    overlaps: tuple[str, ...] = ()
    effect: Effect = Effect()


def removers(blocks: Iterable[Removable], group: str) -> set[str]:
    """The blocks that take a group with them."""
    return {block.name for block in blocks if group in block.effect.gone}


def absorbers(blocks: Iterable[Removable], group: str) -> set[str]:
    """The blocks without which another group takes this one's place."""
    return {block.name for block in blocks if group in block.effect.absorbed}


def exclusive(blocks: Sequence[Removable], names: Collection[str]) -> bool:
    """Whether at most one of these can go."""
    found = [block for block in blocks if block.name in names]
    return all(
        one is two or two.name in one.overlaps or one.name in two.overlaps
        for one in found
        for two in found
    )


def check_blocks(legal: Legal, blocks: Sequence[Removable]) -> None:
    """Raise ValueError for blocks named twice, and for effects on groups that there are not."""
    names = [block.name for block in blocks]
    if len(set(names)) < len(names):
        raise ValueError("a block is named twice")
    for block in blocks:
        effect = block.effect
        told = {*effect.gone, *effect.held, *effect.survivors, *effect.absorbed}
        if unknown := sorted(told - set(legal.widths)):
            raise ValueError(f"{block.name}: no group is called {unknown[0]}")
        if unknown := sorted(set(block.overlaps) - set(names)):
            raise ValueError(f"{block.name}: no block is called {unknown[0]}")
