"""The least divergence under all limits at once, exactly: a mixed-integer programme, by HiGHS.

HiGHS (Huangfu and Hall 2018) through scipy. The programme's relaxation is so tight that a net of
fifty layers takes about a second, chains, trees and branches alike, so there is no second solver.
What it gives is checked by adding up, and ties are settled afterwards: of widths that lose the
same, those of the lower cost; of those, the wider. Groups and blocks go by name throughout, so an
answer depends on nothing else; one that ran out of time says how far it may be from the best.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from time import monotonic

import numpy as np
from scipy import optimize

from pipeline.prune.allocation import Floats
from pipeline.prune.limits import Charge
from pipeline.prune.programme import Programme
from pipeline.prune.rows import Linear
from pipeline.prune.tradeoff import Tradeoff
from targets.errors import EdgesmithError, UsageError

TIME_LIMIT_S = 10.0
GAP = 1e-6  # of the divergence: far below what measuring it resolves
_SCALE = 1e3  # of rows and objective, beside the solver's absolute tolerances of 1e-6 and 1e-7
_TIES = 1e-6  # of the largest divergence: the price of all limits used up
_MARGINS = (0.0, 1e-7, 1e-5)  # of a row's scale: tried in turn where rounding broke a limit
_OPTIMAL, _OUT_OF_TIME, _INFEASIBLE = 0, 1, 2


@dataclass(frozen=True)
class Solution:
    """What was chosen.

    Attributes:
        widths: per group; groups that went with a block count as whole.
        blocks: those that go, by name.
        loss: the summed divergence.
        gap: how much lower it might be at the most, as a share; 0 where it is the least.
        costs: by limit; of several charges for one limit the largest.
    """

    widths: Mapping[str, int]
    blocks: tuple[str, ...]
    loss: float
    gap: float
    costs: Mapping[str, float]


def solve(tradeoff: Tradeoff, *, time_limit_s: float = TIME_LIMIT_S) -> Solution | None:
    """The choice of the least divergence that meets all limits; None where none meets them.

    Args:
        tradeoff: what there is to choose from.
        time_limit_s: afterwards the best so far is taken.

    Raises UsageError where the time was too short to find any.
    """
    programme = Programme(tradeoff.legal, tradeoff.blocks)
    aim = _aim(programme, tradeoff)
    deadline = monotonic() + time_limit_s
    for margin in _MARGINS:
        answer = _minimise(programme, aim, tradeoff.charges, margin, deadline - monotonic())
        if answer is None:
            return None
        widths, blocks = programme.chosen(answer.values)
        if tradeoff.fits(widths, blocks):
            return _solution(tradeoff, _settled(tradeoff, widths, blocks), blocks, answer.gap)
    raise EdgesmithError("planning: the solver's answer breaks a limit, which it should not")


def least(tradeoff: Tradeoff, charge: Charge, *, time_limit_s: float = TIME_LIMIT_S) -> Solution:
    """The choice that costs least under one limit, whatever it loses, while the tradeoff's own
    charges are met; `charge` need not be one of them.

    Raises UsageError where those can't be met.
    """
    programme = Programme(tradeoff.legal, tradeoff.blocks)
    answer = _minimise(programme, programme.cost(charge), tradeoff.charges, 0.0, time_limit_s)
    if answer is None:
        raise UsageError(f"{charge.limit}: the other limits can't be met whatever it is")
    widths, blocks = programme.chosen(answer.values)
    return _solution(tradeoff, widths, blocks, answer.gap)


@dataclass(frozen=True)
class _Answer:
    values: Floats
    gap: float


def _aim(programme: Programme, tradeoff: Tradeoff) -> Linear:
    """The divergence, and next to nothing for what of each limit is used up."""
    loss = programme.loss(tradeoff.losses)
    highest = max(loss.factors.max(initial=0.0), np.finfo(np.float64).tiny)
    parts = [Linear(0.0, loss.columns, loss.factors / highest)]
    for charge in tradeoff.charges:
        cost = programme.cost(charge)
        share = _TIES / len(tradeoff.charges) / _size(cost.factors)
        parts.append(Linear(0.0, cost.columns, cost.factors * share))
    return Linear(
        0.0,
        np.concatenate([part.columns for part in parts]),
        np.concatenate([part.factors for part in parts]),
    )


def _size(factors: Floats) -> float:
    """The largest factor, or 1 where there is none."""
    return float(np.abs(factors).max(initial=0.0)) or 1.0


def _minimise(
    programme: Programme, aim: Linear, charges: Sequence[Charge], margin: float, time_s: float
) -> _Answer | None:
    """The solver's answer, or None where there is none."""
    rows = programme.rows.copy()
    for charge in charges:
        cost = programme.cost(charge)
        scale = _SCALE / _size(cost.factors)
        room = (charge.most - cost.constant) * scale - margin * _SCALE
        rows.add(cost.columns, cost.factors * scale, -np.inf, room)
    size = len(programme.integral)
    objective = aim.dense(size)
    found = optimize.milp(
        objective * (_SCALE / _size(objective)),
        integrality=np.array(programme.integral, np.int64),
        bounds=optimize.Bounds(0, 1),
        constraints=optimize.LinearConstraint(rows.matrix(size), rows.lower, rows.upper),
        options={"mip_rel_gap": GAP, "time_limit": max(time_s, 0.1)},
    )
    if found.x is not None and found.status in (_OPTIMAL, _OUT_OF_TIME):
        return _Answer(np.asarray(found.x, np.float64), float(found.mip_gap or 0.0))
    if found.status == _INFEASIBLE:
        return None
    if found.status == _OUT_OF_TIME:
        raise UsageError(
            "planning: no plan was found within its time limit; allow it more time, or fewer "
            "widths per group"
        )
    raise EdgesmithError(f"planning: the solver stopped: {found.message}")


def _settled(tradeoff: Tradeoff, widths: dict[str, int], blocks: Sequence[str]) -> dict[str, int]:
    """Ties between widths of one group settled, group after group, until nothing changes."""
    while True:
        before = dict(widths)
        for name, own in sorted(tradeoff.legal.widths.items()):
            losses = tradeoff.losses[name]
            now = own.index(widths[name])
            even = [width for width, loss in zip(own, losses, strict=True) if loss <= losses[now]]
            if len(even) > 1:
                widths = _cheapest(tradeoff, [{**widths, name: width} for width in even], blocks)
        if widths == before:
            return widths


def _cheapest(
    tradeoff: Tradeoff, choices: Sequence[dict[str, int]], blocks: Sequence[str]
) -> dict[str, int]:
    """Of choices that differ in one group, the one of the least loss, then cost, then widest."""

    def rank(widths: dict[str, int]) -> tuple[float, float, int]:
        shares = [
            tradeoff.cost(charge, widths, blocks) / (abs(charge.most) or 1.0)
            for charge in tradeoff.charges
        ]
        return tradeoff.loss(widths, blocks), sum(shares), -sum(widths.values())

    open_to = [
        one for one in choices if tradeoff.allowed(one, blocks) and tradeoff.fits(one, blocks)
    ]
    return min(open_to, key=rank)


def _solution(
    tradeoff: Tradeoff, widths: Mapping[str, int], blocks: tuple[str, ...], gap: float
) -> Solution:
    costs: dict[str, float] = {}
    for charge in tradeoff.charges:
        found = tradeoff.cost(charge, widths, blocks)
        costs[charge.limit] = max(found, costs.get(charge.limit, found))
    return Solution(dict(widths), blocks, tradeoff.loss(widths, blocks), gap, costs)
