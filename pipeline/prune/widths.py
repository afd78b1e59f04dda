"""Which widths each group may have: the grid, the bounds, and the reasons to leave it alone."""

from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from math import ceil, floor

from pipeline.prune.importance import GroupEvidence
from pipeline.prune.patterns import matching
from pipeline.prune.settings import Bound, Bounds, Settings

NARROW = 4  # axes this narrow are structure, not width: kernels' multipliers, heads, gates
FEWEST = 2  # a norm over a single kept channel would give its bias alone
Widths = tuple[int, ...]  # ascending


@dataclass(frozen=True)
class Choices:
    """Per group, the widths that it may have, and the reason where that is its own alone."""

    widths: tuple[Widths, ...]
    reasons: tuple[str | None, ...]

    def without(self, declined: dict[int, str], sizes: Sequence[int]) -> "Choices":
        """These choices with some more groups left whole."""
        widths, reasons = list(self.widths), list(self.reasons)
        for group, reason in declined.items():
            widths[group], reasons[group] = (sizes[group],), reason
        return Choices(tuple(widths), tuple(reasons))


def choices(
    groups: Sequence[GroupEvidence], reach: Sequence[Sequence[str]], settings: Settings
) -> Choices:
    """The widths that the settings leave open.

    Args:
        groups: the groups' evidence.
        reach: per group the dimensions of parameters that it reaches, for patterns.
        settings: what was asked for.

    Raises UsageError for a pattern that matches nothing.
    """
    bounds = _bounds(reach, settings)
    sizes = [group.size for group in groups]
    reasons = _declined(groups, bounds, _kept(reach, settings), settings)
    widths = [
        (size,) if reason else allowed_widths(size, settings.multiple, bounds.get(number))
        for number, (size, reason) in enumerate(zip(sizes, reasons, strict=True))
    ]
    for number, (own, size) in enumerate(zip(widths, sizes, strict=True)):
        if own == (size,) and reasons[number] is None:
            reasons[number] = "no other width is allowed"
    return Choices(tuple(widths), tuple(reasons))


def allowed_widths(size: int, multiple: int, bounds: Bounds | None = None) -> Widths:
    """The multiples of `multiple` and the size itself, within the bounds.

    `multiple` is halved until it is below the size. Never below 2. Where the bounds leave no
    multiple, the widest that they allow.
    """
    while multiple >= size and multiple > 1:
        multiple //= 2
    first = multiple * ceil(FEWEST / multiple)
    grid = (*range(first, size, multiple), size)
    if bounds is None:
        return grid
    least = min(size, _channels(bounds[0], size, ceil))
    most = max(least, min(size, _channels(bounds[1], size, floor)))
    return tuple(width for width in grid if least <= width <= most) or (most,)


def kept_width(size: int, ratio: float, multiple: int) -> int:
    """The allowed width nearest to size·(1 - ratio). Ties go to the wider."""
    return nearest(allowed_widths(size, multiple), size * (1 - ratio))


def nearest(widths: Widths, wanted: float) -> int:
    """The width nearest to the one wanted. Ties go to the wider."""
    above = bisect_left(widths, wanted)
    around = widths[max(0, above - 1) : above + 1]
    return min(around, key=lambda width: (abs(width - wanted), -width))


def _channels(bound: Bound, size: int, whole: Callable[[float], int]) -> int:
    """A bound in channels; shares are rounded to the inside."""
    return bound if isinstance(bound, int) else whole(bound * size)


def _bounds(reach: Sequence[Sequence[str]], settings: Settings) -> dict[int, Bounds]:
    return {
        group: bounds
        for pattern, bounds in settings.bounds.items()
        for group in sorted(matching("bounds", pattern, reach))
    }


def _kept(reach: Sequence[Sequence[str]], settings: Settings) -> dict[int, str]:
    return {
        group: f"kept by '{pattern}'"
        for pattern in settings.keep
        for group in sorted(matching("keep", pattern, reach))
    }


def _declined(
    groups: Sequence[GroupEvidence],
    bounds: dict[int, Bounds],
    kept: dict[int, str],
    settings: Settings,
) -> list[str | None]:
    """Why a group is left alone. Of groups that multiply, a uniform ratio prunes only the widest,
    since on both it would remove far more than asked; the other strategies weigh them all at
    their joint cost. Groups that bounds name are always open."""
    reasons: list[str | None] = [None] * len(groups)
    chosen: set[int] = set()
    for number in sorted(range(len(groups)), key=lambda number: (-groups[number].size, number)):
        wider = chosen.intersection(groups[number].partners)
        if number in kept:
            reasons[number] = kept[number]
        elif number in bounds:
            continue
        elif groups[number].size <= NARROW:
            reasons[number] = f"no more than {NARROW} channels"
        elif wider and settings.strategy == "uniform":
            reasons[number] = f"multiplies with {groups[min(wider)].name}, which is pruned instead"
        else:
            chosen.add(number)
    return reasons
