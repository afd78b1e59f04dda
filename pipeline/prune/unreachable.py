"""Saying that a limit can't be met: the least that is reachable, and what stands in the way."""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

from pipeline.prune.exact import TIME_LIMIT_S, Solution, least
from pipeline.prune.limits import Charge, Term, standing_terms
from pipeline.prune.tradeoff import ROUNDING, Tradeoff
from targets.errors import UsageError

_TOLD = 3  # obstacles
_NAMED = 4  # of the groups of each


@dataclass(eq=False)
class Unreachable(UsageError):
    """No plan meets a limit. A budget that is missed: nothing is wrong with the request.

    Attributes:
        limit: its name.
        most: the budget.
        least: the least that any plan takes; where each limit could be met alone, while the others
            are met.
        constant: the part of it that is there whatever goes.
        obstacles: the largest other parts of it, and what holds their widths up.
        beside: the other limits that were held, where only together they can't be met.
    """

    limit: str
    most: float
    least: float
    constant: float
    obstacles: tuple[str, ...]
    beside: tuple[str, ...] = ()

    exit_code = 3

    def __str__(self) -> str:
        """What was asked, the least there is, and why."""
        asked = f"{self.limit}: {self.most:.4g} can't be reached"
        if self.most < self.constant:
            return f"{asked}; {self.constant:.4g} is taken whatever is pruned"
        where = f" where {', '.join(self.beside)} are met" if self.beside else ""
        text = f"{asked}; no plan takes less than {self.least:.4g}{where}"
        held = [f"a constant part of {self.constant:.4g}"] if self.constant else []
        return f"{text}; in the way are {'; '.join([*held, *self.obstacles])}"


def unreachable(
    tradeoff: Tradeoff, reasons: Mapping[str, str], *, time_limit_s: float = TIME_LIMIT_S
) -> Unreachable:
    """Why no choice meets the limits: the first one that can't be met alone, or else the first
    that can't be met while the others are.

    Args:
        tradeoff: the choices, none of which meets all of its charges.
        reasons: per group, why it can't be narrowed at all.
        time_limit_s: for each question to the solver.
    """
    free = replace(tradeoff, charges=())
    for charge in tradeoff.charges:
        found = least(free, charge, time_limit_s=time_limit_s)
        if not _met(tradeoff, charge, found):
            return _told(tradeoff, charge, found, reasons)
    together: list[Charge] = []
    for charge in tradeoff.charges:
        found = least(replace(tradeoff, charges=tuple(together)), charge, time_limit_s=time_limit_s)
        if not _met(tradeoff, charge, found):
            beside = tuple(one.limit for one in together)
            return replace(_told(tradeoff, charge, found, reasons), beside=beside)
        together.append(charge)
    raise ValueError("all limits can be met together")


def _met(tradeoff: Tradeoff, charge: Charge, found: Solution) -> bool:
    cost = tradeoff.cost(charge, found.widths, found.blocks)
    return cost <= charge.most + ROUNDING * abs(charge.most)


def _told(
    tradeoff: Tradeoff, charge: Charge, found: Solution, reasons: Mapping[str, str]
) -> Unreachable:
    gone = tradeoff.without(found.blocks)
    standing = [
        term
        for term in standing_terms(charge.terms, found.blocks)
        if gone.isdisjoint(term.everyone)
    ]
    fixed = charge.constant + sum(float(term.values) for term in standing if not term.groups)
    costs = [(term.at(tradeoff.legal, found.widths), term) for term in standing if term.groups]
    largest = sorted(costs, key=lambda pair: (-pair[0], pair[1].site, pair[1].groups))
    return Unreachable(
        charge.limit,
        charge.most,
        tradeoff.cost(charge, found.widths, found.blocks),
        fixed,
        tuple(_obstacle(tradeoff, *pair, found, reasons) for pair in largest[:_TOLD]),
    )


def _obstacle(
    tradeoff: Tradeoff, cost: float, term: Term, found: Solution, reasons: Mapping[str, str]
) -> str:
    held: Sequence[str] = [
        f"{name} {_why(tradeoff, name, found.widths[name], reasons)}"
        for name in term.everyone[:_NAMED]
    ]
    more = len(term.everyone) - len(held)
    told = [*held, f"and {more} more groups"] if more else held
    site = f"{term.site}: " if term.site else ""
    return f"{site}{cost:.4g} ({', '.join(told)})"


def _why(tradeoff: Tradeoff, name: str, width: int, reasons: Mapping[str, str]) -> str:
    if name in reasons:
        return f"stays at {width}: {reasons[name]}"
    narrowest = width == tradeoff.legal.widths[name][0]
    return f"at {width}, its least" if narrowest else f"at {width}"
