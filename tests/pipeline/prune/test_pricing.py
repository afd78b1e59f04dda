"""Prices are the census's own counts, for many widths at once and whatever the terms are."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.census import Census, Rows
from pipeline.prune.pricing import Price, Ranking, Unit


class Axes:
    """Gathers axes of a constant and (count, channels) terms."""

    def __init__(self) -> None:
        self.constant: list[int] = []
        self.terms: list[tuple[int, int, list[int]]] = []

    def add(self, constant: int, terms: list[tuple[int, list[int]]]) -> int:
        self.terms += [(len(self.constant), count, channels) for count, channels in terms]
        self.constant.append(constant)
        return len(self.constant) - 1

    def rows(self) -> Rows:
        ends = np.cumsum([0, *(len(channels) for _, _, channels in self.terms)])
        columns = (
            [axis for axis, _, _ in self.terms],
            [count for _, count, _ in self.terms],
            ends[:-1],
            [channel for _, _, channels in self.terms for channel in channels],
        )
        return Rows(*(np.array(column, np.int64) for column in columns))


@st.composite
def censuses(draw: st.DrawFn) -> tuple[Census, Ranking, np.ndarray]:
    """Groups in axes alone, in products whole and torn, and widths to try."""
    sizes = draw(st.lists(st.integers(1, 5), min_size=1, max_size=4))
    first = np.cumsum([0, *sizes])
    axes = Axes()
    members = [list(range(at, at + size)) for at, size in zip(first, sizes, strict=False)]
    for channels in members:
        axes.add(draw(st.integers(0, 2)), [(draw(st.integers(1, 3)), [one]) for one in channels])
    left, right = draw(st.sampled_from(members)), draw(st.sampled_from(members))
    pairs = [(draw(st.integers(1, 2)), sorted({a, b})) for a in left for b in right]
    axes.add(1, pairs)
    count = len(axes.constant)
    chosen = st.lists(st.integers(0, count - 1), max_size=3).map(tuple)
    products = draw(st.lists(st.tuples(st.integers(1, 9), chosen), min_size=1, max_size=4))
    census = Census(
        int(first[-1]), np.array(axes.constant), axes.rows(), tuple(products), 1, tuple(products),
        tuple(len(of) >= 2 for _, of in products),
    )  # fmt: skip
    scores = [np.array(draw(st.permutations(range(size))), np.float64) for size in sizes]
    widths = [[draw(st.integers(0, size)) for size in sizes] for _ in range(3)]
    return census, Ranking.of(scores), np.array(widths, np.int64)


@given(censuses())
def test_prices_are_the_censuss_counts(case: tuple[Census, Ranking, np.ndarray]) -> None:
    census, ranking, widths = case
    alive = [ranking.alive(one) for one in widths]
    macs, params = (Price(census, ranking, unit).of_each(widths).tolist() for unit in UNITS)
    assert macs == [census.count_macs(one) for one in alive]
    assert params == [census.count_parameters(one) for one in alive]
    assert Price(census, ranking, "channels").of_each(widths).tolist() == widths.sum(1).tolist()


UNITS: tuple[Unit, ...] = ("macs", "params")


def test_bytes_count_matrices_by_precision() -> None:
    """A weight of 4 × 3 elements and a bias of 4."""
    axes = Axes()
    out, into = axes.add(0, [(1, [c]) for c in range(4)]), axes.add(3, [])
    weights = ((1, (out, into)), (1, (out,)))
    constant = np.array(axes.constant)
    census = Census(4, constant, axes.rows(), (), 1, weights, (True, False))
    ranking = Ranking.of([np.arange(4.0)])
    widths = np.array([4])
    assert Price(census, ranking, "size_bytes", "fp32").of(widths) == 4 * (12 + 4)
    assert Price(census, ranking, "size_bytes", "int8").of(widths) == 12 + 4 * 4


def test_the_least_goes_first_and_ties_go_by_index() -> None:
    ranking = Ranking.of([np.array([2.0, 1, 1, 3])])
    kept = [ranking.alive(np.array([width])).tolist() for width in (3, 2, 1)]
    assert kept == [[True, False, True, True], [True, False, False, True], [False] * 3 + [True]]


@pytest.mark.parametrize("unit", UNITS)
def test_a_model_without_groups_has_a_price(unit: Unit) -> None:
    census = Census(0, np.array([3]), Axes().rows(), ((2, (0,)),), 1, ((5, (0,)),), (False,))
    price = Price(census, Ranking.of([]), unit).of(np.zeros(0, np.int64))
    assert price == {"macs": 6, "params": 15}[unit]
