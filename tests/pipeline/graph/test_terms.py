"""The store of terms solves equations soundly: every assignment it allows satisfies them all."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipeline.graph.reshape import factor, merge, reshape
from pipeline.graph.terms import ONE, Terms


def term_of(terms: Terms, atoms: list[int]) -> int:
    term = ONE
    for atom in atoms:
        term = terms.product(term, atom)
    return term


sides = st.lists(st.integers(1, 8), max_size=3)


@given(st.lists(st.tuples(sides, sides), max_size=12), st.integers(0, 2**32 - 1))
def test_whatever_lives_satisfies_every_equation(equations: list, seed: int) -> None:
    """Any choice of free atoms gives both sides of each equation the same life."""
    terms = Terms()
    terms.fresh(8)
    made = [(term_of(terms, a), term_of(terms, b)) for a, b in equations]
    for left, right in made:
        terms.equate(left, right)
    dead = set(np.flatnonzero(np.random.default_rng(seed).random(64) < 0.3).tolist())

    def lives(term: int) -> bool:
        return dead.isdisjoint(terms.resolve(term))

    assert all(lives(left) == lives(right) for left, right in made)


@given(st.lists(st.tuples(st.integers(0, 5), st.integers(0, 5)), max_size=8))
def test_unified_vectors_resolve_alike(pairs: list[tuple[int, int]]) -> None:
    """Also where an axis meets itself out of order, and where the quick path doesn't hold."""
    terms = Terms()
    axes = [terms.fresh(4) for _ in range(6)]
    for a, b in pairs:
        turned = axes[b][::-1] if (a + b) % 3 == 0 else axes[b]
        terms.unify(axes[a], turned)
        assert terms.atoms(axes[a]) == terms.atoms(turned)


def test_a_product_lives_where_all_its_factors_do() -> None:
    terms = Terms()
    a, b = terms.fresh(2).tolist()
    both = terms.product(a, b)
    assert terms.resolve(both) == (a, b)
    assert terms.product(b, a) == both
    assert terms.product(both, a) != ONE
    assert terms.resolve(terms.product(both, a)) == (a, b)
    assert terms.product(a, ONE) == a


def test_solving() -> None:
    terms = Terms()
    a, b, c, d = terms.fresh(4).tolist()
    terms.equate(a, terms.product(b, c))  # bound
    assert terms.resolve(a) == (b, c)
    terms.equate(b, d)  # joined
    assert terms.resolve(a) == (b, c)
    terms.because = "said so"
    terms.equate(terms.product(b, c), c)  # c = b·c pins b
    assert terms.resolve(a) == (c,)
    assert terms.reason(d) == "said so"
    terms.pin(np.array([a]))
    assert terms.resolve(c) == ()


def test_a_size_of_one_has_no_atoms() -> None:
    assert Terms().fresh(1) is None


def test_dimensions_of_different_sizes_are_refused() -> None:
    terms = Terms()
    with pytest.raises(ValueError, match="2 and 3"):
        terms.unify(terms.fresh(2), terms.fresh(3))


def test_channels_stay_whole_through_a_flatten_and_back() -> None:
    """C·H·W merges to each channel H·W times, and factors back without fresh atoms."""
    terms = Terms()
    channels = terms.fresh(6)
    (flat,) = reshape(terms, [channels, None, None], (6, 2, 2), (24,))
    assert np.array_equal(flat, np.repeat(channels, 4))
    again = reshape(terms, [flat], (24,), (6, 2, 2))
    assert terms.atoms(again[0]) == terms.atoms(channels)
    assert again[1] is None
    assert again[2] is None


def test_a_repeat_is_found_again() -> None:
    terms = Terms()
    channels = terms.fresh(5)
    parts = factor(terms, np.tile(channels, 3), [3, 5])
    assert parts[0] is None
    assert terms.atoms(parts[1]) == terms.atoms(channels)


def test_factoring_distinct_atoms_ties_them_into_a_box() -> None:
    terms = Terms()
    flat = terms.fresh(12)
    heads, width = factor(terms, flat, [3, 4])
    expected = merge(terms, [heads, width], [3, 4])
    assert terms.atoms(flat) == terms.atoms(expected)
    assert len({atom for atoms in terms.atoms(flat) for atom in atoms}) == 3 + 4


def test_a_dimension_that_may_not_have_atoms_of_its_own_gets_none() -> None:
    terms = Terms()
    group, width = factor(terms, terms.fresh(12), [3, 4], [False, True])
    assert group is None
    assert len(np.unique(width)) == 4


SHAPES = [(2, 3, 4), (6, 4), (24,), (4, 6), (2, 12), (1, 24), (2, 1, 12), (2, 2, 2, 3)]


@given(st.sampled_from(SHAPES), st.sampled_from(SHAPES))
def test_a_reshape_keeps_every_element_s_life(old: tuple[int, ...], new: tuple[int, ...]) -> None:
    """An element lives exactly if all of its indices do, before and after."""
    terms = Terms()
    labels = [terms.fresh(size) for size in old]
    after = reshape(terms, labels, old, new)
    whole = [merge(terms, labels, old), merge(terms, after, new)]
    ones = [()] * 24
    lives = [ones if label is None else terms.atoms(label) for label in whole]
    assert lives[0] == lives[1]


def test_shapes_of_different_sizes_are_refused() -> None:
    with pytest.raises(ValueError, match="can't become"):
        reshape(Terms(), [None], (6,), (4,))
