"""Atoms pair by where they occur, and what nobody can tell apart stays."""

from pipeline.graph.pairing import Places
from pipeline.graph.reshape import merge
from pipeline.graph.terms import Terms


def test_rows_pair_with_rows_and_columns_with_columns() -> None:
    """g·w = u·p over a grid, whichever way round the sides are made."""
    grid = [((row, 10 + column), (20 + column, 30 + row)) for row in (1, 2) for column in (1, 2)]
    pairs, left, right = Places(grid).pair(*grid[0])
    assert set(pairs) == {(1, 31), (11, 21)}
    assert left == right == ()


def test_what_always_occurs_together_is_left() -> None:
    family = [((1, 2), (3, 4)), ((1, 2, 5), (3, 4, 6))]
    pairs, left, right = Places(family).pair(*family[1])
    assert pairs == [(5, 6)]
    assert (left, right) == ((1, 2), (3, 4))


def test_numbers_of_atoms_may_differ() -> None:
    family = [((1, 2), (3, 4, 5)), ((2,), (4, 5))]
    assert Places(family).pair(*family[0]) == ([(1, 3)], (2,), (4, 5))


def test_an_outer_product_is_solved_in_either_order() -> None:
    terms = Terms()
    rows, columns = terms.fresh(3), terms.fresh(4)
    later_columns, later_rows = terms.fresh(4), terms.fresh(3)
    one = merge(terms, [rows, columns], [3, 4])
    terms.unify(one, merge(terms, [later_rows, later_columns], [3, 4]))
    assert terms.atoms(rows) == terms.atoms(later_rows)
    assert terms.atoms(columns) == terms.atoms(later_columns)
    assert not terms.is_guessed(rows)


def test_a_guess_is_told() -> None:
    terms = Terms()
    a, b, c, d, e = terms.fresh(5).tolist()
    terms.equate(terms.product(a, b), terms.product(c, d))
    axis = terms.fresh(2)
    terms.equate(int(axis[0]), terms.product(a, e))  # made of what was guessed
    assert terms.is_guessed(axis[:1])
    assert not terms.is_guessed(axis[1:])
    assert not terms.is_guessed(None)
