"""Costs along sums of widths."""

import numpy as np
import pytest

from pipeline.cost.charging import MOST, terms
from pipeline.cost.sites import Site, Size
from pipeline.prune.limits import Charge, Legal, check_charges

PARTS = tuple(f"p{number}" for number in range(12))
LEGAL = Legal({**dict.fromkeys(PARTS, tuple(range(2, 17, 2))), "out": (4, 8, 12), "q": (2, 4)})
SUM = Size(constant=3.0, terms=tuple((1.0 + (one == "p0"), (one,)) for one in PARTS))
READING = Site(name="conv", kind="conv", sizes=(SUM, Size(terms=((1.0, ("out",)),))))
JOINING = Site(
    name="cat", kind="cat", sizes=(*(Size(terms=((1.0, (one,)),)) for one in PARTS), SUM)
)
MULTIPLIED = Site(
    name="fold", kind="fold", sizes=(SUM, Size(terms=((1.0, ("out", "q")),))), blocks=("arm",)
)


def drawn(seed: int) -> dict[str, int]:
    rng = np.random.default_rng(seed)
    return {name: int(rng.choice(own)) for name, own in LEGAL.widths.items()}


def charged(site: Site, cost) -> Charge:
    made = terms([site], LEGAL, lambda site, widths: cost(widths))
    return Charge("x", 1e9, 0.0, made)


@pytest.mark.parametrize("site", [READING, JOINING, MULTIPLIED], ids=lambda site: site.name)
def test_what_is_straight_is_charged_exactly_and_in_few_numbers(site: Site) -> None:
    def cost(widths):
        return 5.0 + 0.5 * widths[:, 0] * widths[:, -1] if site is not JOINING else widths.sum(1)

    charge = charged(site, cost)
    check_charges(LEGAL, [charge], ["arm"])
    numbers = [term.values.size + sum(one.values.size for one in term.slopes)
               for term in charge.terms]  # fmt: skip
    assert sum(numbers) < MOST / 100
    assert {name for term in charge.terms for name in term.everyone} == set(site.groups())
    for seed in range(5):
        widths = drawn(seed)
        at = np.array([[size.at(widths) for size in site.sizes]])
        assert charge.of(LEGAL, widths) == pytest.approx(float(cost(at)[0]))


def test_two_wide_groups_still_multiply() -> None:
    """As in a perceptron of 4,096 by 4,096: one of the two is the sum."""
    legal = Legal(dict.fromkeys(("in", "out"), tuple(range(16, 4097, 16))))
    site = Site(name="linear", kind="linear", sizes=tuple(
        Size(terms=((1.0, (name,)),)) for name in ("in", "out")))  # fmt: skip
    (term,) = terms([site], legal, lambda site, widths: 2.0 * widths.prod(axis=1))
    assert term.values.size == 256
    assert term.at(legal, {"in": 160, "out": 2048}) == pytest.approx(2.0 * 160 * 2048)


def test_a_staircase_is_charged_by_its_slope() -> None:
    """Tiles of 8 of a sum between 29 and 211: a line through them is off by half a tile."""

    def cost(widths):
        return (10.0 + np.ceil(widths[:, 0] / 8) * 8) * widths[:, 1]

    charge = charged(READING, cost)
    for seed in range(20):
        widths = drawn(seed)
        at = np.array([[size.at(widths) for size in READING.sizes]])
        assert charge.of(LEGAL, widths) == pytest.approx(float(cost(at)[0]), rel=0.08)


def test_a_cost_of_nothing_is_nothing() -> None:
    charge = charged(READING, lambda widths: np.zeros(len(widths)))
    assert charge.of(LEGAL, drawn(1)) == 0.0


def test_few_groups_keep_every_combination() -> None:
    few = Site(name="conv", kind="conv", sizes=(Size(terms=((1.0, ("p1",)), (1.0, ("p2",)))),))
    (term,) = charged(few, lambda widths: np.sqrt(widths[:, 0])).terms
    assert (term.groups, term.values.shape, term.slopes) == (("p1", "p2"), (8, 8), ())
