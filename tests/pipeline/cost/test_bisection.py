from collections.abc import Sequence

from hypothesis import given
from hypothesis import strategies as st

from pipeline.cost.bisection import ends, next_widths

GRID = tuple(range(4, 68, 4))


def climbed(grid: Sequence[int], cost) -> dict[int, float]:
    costs: dict[int, float] = {}
    while asked := next_widths(grid, costs):
        assert not set(asked) & set(costs)
        costs.update({width: cost(width) for width in asked})
    return costs


@given(st.sets(st.sampled_from(GRID[1:]), max_size=6), st.integers(1, 20))
def test_every_edge_of_any_staircase_is_found(edges: set[int], step: int) -> None:
    def cost(width: int) -> float:
        return 10 + step * sum(width >= edge for edge in edges)

    found = ends(GRID, climbed(GRID, cost))
    expected = {GRID[place - 1] for place, w in enumerate(GRID) if w in edges} | {GRID[-1]}
    assert set(found) == expected


def test_plateaus_of_tiles_take_few_measurements() -> None:
    costs = climbed(GRID, lambda width: 10 + 5 * -(-width // 32))
    assert ends(GRID, costs) == (32, 64)
    assert len(costs) <= 7


def test_a_flat_cost_has_one_end() -> None:
    costs = climbed(GRID, lambda width: 10.0)
    assert ends(GRID, costs) == (64,)
    assert len(costs) == 3


def test_what_was_not_measured_between_unlike_widths_may_be_an_edge() -> None:
    assert ends((8, 16, 24), {8: 1.0, 24: 2.0}) == (8, 16, 24)


def test_a_width_that_a_wider_one_undercuts_is_no_end() -> None:
    assert ends((8, 12, 16), {8: 1.0, 12: 3.0, 16: 2.0}) == (8, 16)


def test_one_width_alone() -> None:
    assert next_widths((4,), {}) == [4]
    assert ends((4,), {4: 1.0}) == (4,)
