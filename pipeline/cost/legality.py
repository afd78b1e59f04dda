"""Which widths are worth choosing: the near ends of a runtime's plateaus, where they are known."""

from collections.abc import Mapping

from pipeline.cost.design import grid
from pipeline.cost.sites import Kind, Model, Site
from pipeline.cost.table import Staircase

LARGEST_NEIGHBOURHOOD = 4
"""A group around more sites than this is a stream through the model: it has no window."""


def legal_widths(model: Model, staircases: Mapping[str, Staircase]) -> dict[str, tuple[int, ...]]:
    """Per group its legal widths, ascending, the full one last.

    Args:
        model: its groups and sites.
        staircases: by what they are like (`likeness`); groups without one keep the whole grid.
    """
    found = {}
    for name, size in model.groups.items():
        stairs = staircases.get(likeness(model, name) or "")
        ends = stairs.ends if stairs is not None and stairs.ends else grid(size)
        widths = {width for width in grid(size) if width in ends}
        found[name] = tuple(sorted({*widths, size}))
    return found


def likeness(model: Model, group: str) -> str | None:
    """What groups with the same staircase have in common: the operators around them and the fixed
    sizes of their weights. None where a group is part of a sum, or runs through many sites."""
    around = [site for site in model.sites if group in site.groups()]
    alone = all(
        size.terms == ((1.0, (group,)),) and not size.constant
        for site in around
        for size in site.sizes
        if group in size.groups()
    )
    if not alone or len(around) > LARGEST_NEIGHBOURHOOD:
        return None
    told = {_told(site, model.kinds[site.kind], group) for site in around}
    return "; ".join(sorted(told)) or None


def _told(site: Site, kind: Kind, group: str) -> str:
    """The operator, the size of its kernel, and which side of it the group is on."""
    axes = [place for place, size in enumerate(site.sizes) if group in size.groups()]
    written = {axis for extent in kind.written for axis in extent.axes}
    read = {axis for extent in kind.read for axis in extent.axes}
    sides = [name for name, own in (("reads", read), ("writes", written)) if own & set(axes)]
    kernel = "".join(f" of {extent.count:g}" for extent in kind.matrices)
    return f"{kind.operator}{kernel} {' and '.join(sides)} it"
