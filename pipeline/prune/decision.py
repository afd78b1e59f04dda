"""Deciding: numbers to the channels that go. Pure, and blind to tensors."""

from collections.abc import Sequence
from dataclasses import dataclass
from math import floor, isfinite

import numpy as np

from pipeline.graph.census import Integers, total
from pipeline.graph.pinned import Pinned, held
from pipeline.prune.allocation import Problem, at_ratio, axes_of, by_importance, uniform
from pipeline.prune.importance import Evidence
from pipeline.prune.knapsack import least_divergence, measured_choices
from pipeline.prune.pricing import Price, Ranking, Unit
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Settings
from pipeline.prune.widths import Choices, choices
from targets.errors import UsageError

Removed = tuple[tuple[int, ...], ...]  # per group, the channels that go
_UNITS: dict[str, Unit] = {"ratio": "channels", "macs": "macs", "params": "params",
                           "size_bytes": "size_bytes"}  # fmt: skip
OF_LOSS = ("taylor", "obs")  # criteria that estimate what the model's loss or error would gain
EMPTYING = "its choice would leave a dimension empty"
_TOLD = 3  # reasons told where a target is out of reach


@dataclass(frozen=True)
class Decision:
    """Per group, the channels that go, and the reason where none may."""

    removed: Removed
    reasons: tuple[str | None, ...]


def decide(
    evidence: Evidence,
    settings: Settings,
    reach: Sequence[Sequence[str]] | None = None,
    sensitivity: Sensitivity | None = None,
    saved: tuple[int, int] = (0, 0),
    pinned: Sequence[Pinned] = (),
) -> Decision:
    """The channels that go: per group the least important, as many as the strategy says.

    Args:
        evidence: scores and census of the groups.
        settings: what was asked for.
        reach: per group the dimensions of parameters that it reaches, for patterns; None: its name.
        sensitivity: divergence by group and width, for the strategy of that name.
        saved: the MACs and parameters of removed blocks: shares are of the model with them.
        pinned: the dimensions that no group holds, to tell what holds up a target.

    Raises UsageError for scores that are no numbers, a pattern that matches nothing, a strategy
    without its table, and a target out of reach, with the least reachable and what pins it.
    """
    check_scores(evidence)
    ranking = Ranking.of([np.array(group.scores, np.float64) for group in evidence.groups])
    names = [group.name for group in evidence.groups]
    open_to = choices(evidence.groups, reach or [[name] for name in names], settings)
    if settings.strategy == "sensitivity":
        table = _table(sensitivity)
        open_to = measured_choices(open_to, ranking.sizes.tolist(), names, table.divergence)
    while True:
        problem = _problem(evidence, settings, ranking, open_to, saved, pinned)
        widths = _chosen(evidence, settings, problem, sensitivity)
        removed = removed_at(ranking, widths)
        emptying = emptying_groups(evidence, ranking, widths)
        if not emptying:
            return Decision(removed, open_to.reasons)
        open_to = open_to.without(dict.fromkeys(emptying, EMPTYING), ranking.sizes.tolist())


def check_scores(evidence: Evidence) -> None:
    """Raise UsageError for scores that are no numbers."""
    for group in evidence.groups:
        for channel, score in enumerate(group.scores):
            if not isfinite(score):
                raise UsageError(
                    f"the importance of {group.name} is {score} in channel {channel}: the model's "
                    "weights, or the gradients or activations on its data, are not finite"
                )


def _table(sensitivity: Sensitivity | None) -> Sensitivity:
    if sensitivity is None:
        raise UsageError("strategy: 'sensitivity' needs a table of divergences, measured on data")
    return sensitivity


def _problem(
    evidence: Evidence,
    settings: Settings,
    ranking: Ranking,
    open_to: Choices,
    saved: tuple[int, int],
    pinned: Sequence[Pinned],
) -> Problem:
    price = Price(evidence.census, ranking, _UNITS[settings.target], settings.precision)
    problem = Problem(open_to, ranking, axes_of(evidence.census, ranking), price, 0)
    dense = price.of(ranking.sizes)
    if settings.ratio is not None:
        closed = [reason is not None for reason in open_to.reasons]
        loose = dense - int(ranking.sizes[closed].sum())
        return problem.within(floor(dense - settings.ratio * loose))
    if settings.size_bytes is not None:
        most, whole = settings.size_bytes, None
    elif settings.macs is not None:
        whole = dense + saved[0]
        most = floor(settings.macs * whole)
    else:
        whole = dense + saved[1]
        most = floor((settings.params or 1.0) * whole)
    problem = problem.within(most)
    if not problem.fits(problem.narrowest):
        pins = [*_pins(evidence, problem), *_held(evidence, settings, problem, pinned)][:_TOLD]
        raise UsageError(_out_of_reach(settings, problem, whole, pins))
    return problem


def _chosen(
    evidence: Evidence, settings: Settings, problem: Problem, sensitivity: Sensitivity | None
) -> Integers:
    if settings.strategy == "sensitivity":
        names = [group.name for group in evidence.groups]
        return least_divergence(problem, names, _table(sensitivity).divergence)
    if settings.strategy == "global":
        scores = [np.array(group.scores, np.float64) for group in evidence.groups]
        return by_importance(problem, scores, of_loss=settings.importance in OF_LOSS)
    return uniform(problem) if settings.ratio is None else at_ratio(problem, settings.ratio)


def removed_at(ranking: Ranking, widths: Integers) -> Removed:
    """The channels that go at these widths."""
    going = ~ranking.alive(widths)
    first = np.cumsum(ranking.sizes) - ranking.sizes
    spans = zip(first.tolist(), ranking.sizes.tolist(), strict=True)
    return tuple(tuple(np.flatnonzero(going[at : at + size]).tolist()) for at, size in spans)


def emptying_groups(evidence: Evidence, ranking: Ranking, widths: Integers) -> set[int]:
    """Groups whose choice, through products, leaves a dimension with nothing."""
    census = evidence.census
    empty = census.kept(ranking.alive(widths)) == 0
    if not empty.any():
        return set()
    members = census.rows.members()
    rows = np.flatnonzero(empty[census.rows.axis]).tolist()
    found = {int(ranking.owner[channel]) for row in rows for channel in members[row]}
    return {group for group in found if widths[group] < ranking.sizes[group]}


def _out_of_reach(
    settings: Settings, problem: Problem, whole: int | None, pins: Sequence[str]
) -> str:
    """What was asked, the least that is reachable, and what pins it."""
    asked = getattr(settings, settings.target)
    least = problem.price.of(problem.narrowest)
    told = f"{least / max(1, whole):.4f}" if whole is not None else f"{least}"
    text = f"{settings.target}: {asked} can't be reached; no plan leaves less than {told}"
    return f"{text}; it is held up by {'; '.join(pins)}" if pins else text


def _pins(evidence: Evidence, problem: Problem) -> list[str]:
    """Groups that hold up the least cost, the one that holds most first: what they would free if
    each were, beside the others at their narrowest, down to its last channel."""
    narrowest = problem.narrowest
    each = np.tile(narrowest, (len(narrowest), 1))
    np.fill_diagonal(each, 1)
    least = max(1, problem.price.of(narrowest))
    freed = (least - problem.price.of_each(each)) / least
    reasons = problem.choices.reasons
    return [
        f"{evidence.groups[group].name} ({reasons[group] or f'no narrower than {narrowest[group]}'}"
        f"; {freed[group]:.0%} of what stays)"
        for group in np.argsort(-freed, kind="stable")[:_TOLD].tolist()
        if freed[group] > 0
    ]


def _held(
    evidence: Evidence, settings: Settings, problem: Problem, pinned: Sequence[Pinned]
) -> list[str]:
    """Pinned dimensions, the one that holds most of the least cost first."""
    census = evidence.census
    products = census.macs if settings.target == "macs" else census.parameters
    kept = census.kept(problem.ranking.alive(problem.narrowest))
    whole, holds = max(1, total(products, kept)), held(products, pinned, kept)
    return [
        f"{pinned[number].name} ({pinned[number].reason}; {holds[number] / whole:.0%} of what "
        "stays runs over it)"
        for number in sorted(range(len(pinned)), key=lambda number: -holds[number])
        if holds[number]
    ]
