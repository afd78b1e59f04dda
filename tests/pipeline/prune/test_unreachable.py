"""What is told of limits that no choice meets."""

import numpy as np

from pipeline.prune.limits import Charge, Legal, Slope, Term
from pipeline.prune.tradeoff import Tradeoff
from pipeline.prune.unreachable import Unreachable, unreachable

PARTS = tuple("abcdef")
LEGAL = Legal({"g": (4, 8, 12), **dict.fromkeys(PARTS, (2, 4))})
LOSSES = {name: np.linspace(1.0, 0.0, len(own)) for name, own in LEGAL.widths.items()}


def told(*charges: Charge) -> Unreachable:
    return unreachable(Tradeoff(LEGAL, charges, LOSSES), {"a": "kept by 'a'"})


def test_a_budget_below_the_constant_is_refused_with_the_floor() -> None:
    fault = told(Charge("latency_ms.p50", 0.1, 0.25, ()))
    assert "0.25 is taken whatever is pruned" in str(fault)
    assert fault.least == 0.25


def test_limits_that_only_together_are_out_of_reach_say_so() -> None:
    falling = Term(("g",), np.array([3.0, 2.0, 1.0]))
    rising = Term(("g",), np.array([1.0, 2.0, 3.0]))
    fault = told(Charge("size_kb", 1.5, 0.0, (falling,)), Charge("energy_mj", 1.5, 0.0, (rising,)))
    assert (fault.limit, fault.beside, fault.least) == ("energy_mj", ("size_kb",), 3.0)
    assert "where size_kb are met" in str(fault)


def test_of_a_concat_only_a_few_groups_are_named() -> None:
    concat = Slope(tuple((name, 1.0) for name in PARTS), np.array([1.0, 2.0, 3.0]))
    fault = told(Charge("x", 1.0, 0.0, (Term(("g",), np.zeros(3), site="conv", slopes=(concat,)),)))
    assert fault.least == 12.0
    named = "g at 4, its least, a stays at 2: kept by 'a', b at 2, its least, c at 2, its least"
    assert fault.obstacles == (f"conv: 12 ({named}, and 3 more groups)",)
