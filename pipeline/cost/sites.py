"""Sites: the pieces that a runtime executes as one, and what is known of them before measuring.

Documents only: no graph, no tensors. A site's cost depends on the widths of its axes, and sites of
one kind (the same operators on the same fixed sizes) share one cost as a function of them.
"""

from collections.abc import Mapping, Sequence
from math import prod

from pydantic import BaseModel, ConfigDict, Field


class Part(BaseModel):
    """A part of a cost table: frozen, without keys that it does not know, finite numbers only."""

    model_config = ConfigDict(frozen=True, extra="forbid", allow_inf_nan=False)


class Extent(Part):
    """A count that grows with widths: `count` times the widths of these of the site's axes."""

    count: float = Field(ge=0)
    axes: tuple[int, ...] = ()

    def at(self, widths: Sequence[float]) -> float:
        """The count for a site of these widths."""
        return self.count * prod(widths[axis] for axis in self.axes)


class Kind(Part):
    """What sites of equal geometry have in common.

    Attributes:
        name: the operators with their sizes, an axis that may be pruned as a letter:
            `conv2d [a,32,32] [b,a,3,3] > [b,32,32] + batch_norm + relu`.
        operator: the first operator alone.
        axes: how many axes may be pruned.
        work: multiply-accumulates per example.
        read: elements per example of each tensor that comes in.
        written: elements per example that go out.
        matrices: elements of stored tensors of two or more dimensions.
        vectors: elements of stored tensors of one dimension.
    """

    name: str
    operator: str
    axes: int = Field(ge=0)
    work: tuple[Extent, ...] = ()
    read: tuple[Extent, ...] = ()
    written: tuple[Extent, ...] = ()
    matrices: tuple[Extent, ...] = ()
    vectors: tuple[Extent, ...] = ()


class Size(Part):
    """The width of an axis: a constant, and per term a factor times the widths of groups."""

    constant: float = 0.0
    terms: tuple[tuple[float, tuple[str, ...]], ...] = ()

    def at(self, widths: Mapping[str, int]) -> float:
        """The width where groups have these widths, all that occur named."""
        return self.constant + sum(
            factor * prod(widths[name] for name in names) for factor, names in self.terms
        )

    def groups(self) -> tuple[str, ...]:
        """The groups that it depends on, in order."""
        return tuple(dict.fromkeys(name for _, names in self.terms for name in names))


class Site(Part):
    """One site of the whole model: its kind, the width of each axis, the blocks it goes with."""

    name: str
    kind: str
    sizes: tuple[Size, ...] = ()
    blocks: tuple[str, ...] = ()

    def groups(self) -> tuple[str, ...]:
        """The groups that its cost depends on, in order."""
        return tuple(dict.fromkeys(name for size in self.sizes for name in size.groups()))


Widths = tuple[float, ...]
"""Of a site, one for each of its axes."""


class Model(Part):
    """A model as its cost sees it.

    Attributes:
        groups: the size of each group, by name.
        blocks: the names of those that can go.
        kinds: by name.
        sites: in the order of the graph.
        moments: per site the sites whose outputs are in memory while it runs, its own included.
    """

    groups: Mapping[str, int]
    blocks: tuple[str, ...]
    kinds: Mapping[str, Kind]
    sites: tuple[Site, ...]
    moments: tuple[tuple[str, ...], ...] = ()

    def present(self, widths: Mapping[str, int], blocks: Sequence[str] = ()) -> dict[str, Widths]:
        """The widths of the sites that are left, by name; groups that are not named are whole."""
        whole, gone = {**self.groups, **widths}, set(blocks)
        return {
            site.name: tuple(size.at(whole) for size in site.sizes)
            for site in self.sites
            if gone.isdisjoint(site.blocks)
        }
