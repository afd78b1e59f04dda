"""Deciding: numbers to a plan. Pure, and blind to tensors."""

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from pydantic import ValidationError

from pipeline.graph.groups import survey
from pipeline.graph.trace import Graph
from pipeline.prune.importance import Evidence, GroupEvidence, observe
from pipeline.prune.plans import GroupPlan, PrunePlan, Settings, pinned_plans
from targets.errors import UsageError

NARROW = 4  # axes this narrow are structure, not width: kernels' multipliers, heads, gates
FEWEST = 2  # a norm over a single kept channel would give its bias alone
_STEPS = 40  # of bisection: far finer than one channel of the widest group
Removed = tuple[tuple[int, ...], ...]  # per group, the channels that go


@dataclass(frozen=True)
class Decision:
    """Per group, the channels that go, and the reason where none may."""

    removed: Removed
    reasons: tuple[str | None, ...]


def plan(
    graph: Graph,
    *,
    ratio: float | None = None,
    macs: float | None = None,
    importance: str = "magnitude",
    multiple: int = 1,
) -> PrunePlan:
    """Plan to remove a fraction of each group's channels, or to keep a fraction of the MACs.

    Kept widths are multiples of `multiple` where the group is wider than that. Raises UsageError
    for settings out of range, and for MACs that no ratio reaches.
    """
    settings = _settings(ratio, macs, importance, multiple)
    found = survey(graph)
    decision = decide(observe(graph, found), settings)
    described = zip(
        found.names, found.members, found.reach, decision.removed, decision.reasons, strict=True
    )
    groups = tuple(
        GroupPlan(name=name, size=len(atoms), removed=removed, parameters=reach, reason=reason)
        for name, atoms, reach, removed, reason in described
    )
    everything = found.census.everything()
    alive = found.alive({group.name: group.removed for group in groups})
    return PrunePlan(
        settings=settings,
        groups=groups,
        pinned=pinned_plans(found.pinned),
        macs_dense=found.census.count_macs(everything),
        macs_kept=found.census.count_macs(alive),
        parameters_dense=found.census.count_parameters(everything),
        parameters_kept=found.census.count_parameters(alive),
    )


def _settings(ratio: float | None, macs: float | None, importance: str, multiple: int) -> Settings:
    try:
        return Settings.model_validate(
            {"ratio": ratio, "macs": macs, "importance": importance, "multiple": multiple}
        )
    except ValidationError as fault:
        first = fault.errors()[0]
        key = ".".join(map(str, first["loc"])) or "prune"
        raise UsageError(f"{key}: {first['msg']}, found {first['input']!r}") from fault


def decide(evidence: Evidence, settings: Settings) -> Decision:
    """The least important channels of every group that may be pruned, by a uniform ratio."""
    reasons = _declined(evidence)
    order = [_ascending(group) for group in evidence.groups]

    def choose(ratio: float) -> Removed:
        return tuple(
            () if reason else _least(ranked, ratio, settings.multiple)
            for ranked, reason in zip(order, reasons, strict=True)
        )

    while True:
        if settings.ratio is not None:
            chosen = choose(settings.ratio)
        else:
            chosen = _reach(evidence, settings.macs or 1.0, choose)
        emptying = _emptying(evidence, chosen)
        if not emptying:
            return Decision(chosen, tuple(reasons))
        for group in emptying:
            reasons[group] = "its choice would leave a dimension empty"


def kept_width(size: int, ratio: float, multiple: int) -> int:
    """The width nearest to size·(1 - ratio) among the multiples of `multiple` and size itself.

    `multiple` is halved until it is below the size. Ties go to the wider; never below 2.
    """
    while multiple >= size and multiple > 1:
        multiple //= 2
    target = size * (1 - ratio)
    below = int(target) // multiple * multiple
    widths = {min(size, max(width, FEWEST, multiple)) for width in (below, below + multiple)}
    return min(widths | {size}, key=lambda width: (abs(width - target), -width))


def _ascending(group: GroupEvidence) -> list[int]:
    return sorted(range(group.size), key=lambda channel: (group.scores[channel], channel))


def _least(ranked: list[int], ratio: float, multiple: int) -> tuple[int, ...]:
    kept = kept_width(len(ranked), ratio, multiple)
    return tuple(sorted(ranked[: len(ranked) - kept]))


def _declined(evidence: Evidence) -> list[str | None]:
    """Why a group is left alone. Of groups that multiply, only the widest is pruned, since a
    uniform ratio on both would remove far more than asked."""
    groups = evidence.groups
    reasons: list[str | None] = [None] * len(groups)
    chosen: set[int] = set()
    for number in sorted(range(len(groups)), key=lambda number: (-groups[number].size, number)):
        wider = chosen.intersection(groups[number].partners)
        if groups[number].size <= NARROW:
            reasons[number] = f"no more than {NARROW} channels"
        elif wider:
            reasons[number] = f"multiplies with {groups[min(wider)].name}, which is pruned instead"
        else:
            chosen.add(number)
    return reasons


def _count(evidence: Evidence, chosen: Removed) -> int:
    return evidence.census.count_macs(_alive(evidence, chosen))


def _alive(evidence: Evidence, chosen: Removed) -> np.ndarray[tuple[int], np.dtype[np.bool_]]:
    alive = [np.ones(group.size, np.bool_) for group in evidence.groups]
    for mask, removed in zip(alive, chosen, strict=True):
        mask[list(removed)] = False
    return np.concatenate([np.ones(0, np.bool_), *alive])


def _reach(evidence: Evidence, share: float, choose: Callable[[float], Removed]) -> Removed:
    """The smallest uniform ratio that leaves no more than this share of the MACs, and of its
    last step no more than is needed."""
    dense = _count(evidence, choose(0.0))
    low, high = 0.0, 1.0
    if _count(evidence, choose(high)) > share * dense:
        least = _count(evidence, choose(high)) / max(1, dense)
        raise UsageError(f"macs: {share} can't be reached; no ratio leaves less than {least:.4f}")
    if share >= 1:
        return choose(low)
    for _ in range(_STEPS):
        middle = (low + high) / 2
        if _count(evidence, choose(middle)) > share * dense:
            low = middle
        else:
            high = middle
    return _give_back(evidence, choose(high), choose(low), share * dense)


def _give_back(
    evidence: Evidence,
    chosen: Removed,
    wider: Removed,
    most: float,
) -> Removed:
    """On a coarse grid many groups step down at one ratio: undo the step for those that need not,
    in the order of the groups."""
    for number, removed in enumerate(wider):
        fewer = (*chosen[:number], removed, *chosen[number + 1 :])
        if _count(evidence, fewer) <= most:
            chosen = fewer
    return chosen


def _emptying(evidence: Evidence, chosen: Removed) -> set[int]:
    """Groups whose choice, through products, leaves a dimension with nothing."""
    census = evidence.census
    empty = census.kept(_alive(evidence, chosen)) == 0
    owner = [number for number, group in enumerate(evidence.groups) for _ in range(group.size)]
    members = census.rows.members()
    rows = np.flatnonzero(empty[census.rows.axis]).tolist()
    found = {owner[channel] for row in rows for channel in members[row]}
    return {group for group in found if chosen[group]}
