"""The solver against every choice there is, on nets small enough to try them all."""

from collections.abc import Iterator
from itertools import combinations, product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.prune.exact import Solution, least, solve
from pipeline.prune.limits import Charge, Legal, Slope, Term, narrowed
from pipeline.prune.removable import Effect, Removable
from pipeline.prune.tradeoff import Tradeoff

# The solver may be a millionth off in loss, and trades as much for lower cost; ours are below 10.
TOLERANCE = 1e-4
SHAPES = ("chain", "tree", "stream", "branches")


def every(tradeoff: Tradeoff) -> Iterator[tuple[dict[str, int], tuple[str, ...]]]:
    """All choices that blocks and groups allow."""
    names = sorted(tradeoff.legal.widths)
    blocks = sorted(block.name for block in tradeoff.blocks)
    for count in range(len(blocks) + 1):
        for going in combinations(blocks, count):
            for chosen in product(*(tradeoff.legal.widths[name] for name in names)):
                widths = dict(zip(names, chosen, strict=True))
                if tradeoff.allowed(widths, going):
                    yield widths, going


def least_loss(tradeoff: Tradeoff) -> float | None:
    fitting = [tradeoff.loss(*one) for one in every(tradeoff) if tradeoff.fits(*one)]
    return min(fitting, default=None)


def pairs_of(shape: str, count: int) -> list[tuple[int, int]]:
    """Which groups share a layer."""
    if shape == "chain":
        return [(at, at + 1) for at in range(count - 1)]
    if shape == "tree":
        return [((at - 1) // 2, at) for at in range(1, count)]
    if shape == "stream":  # group 0 is the stream, each other one lives in a block of its own
        return [pair for at in range(1, count) for pair in ((0, at), (at, 0))]
    return [(0, at) for at in range(1, count - 1)] + [(at, count - 1) for at in range(1, count - 1)]


def instance(shape: str, seed: int, share: float, charges: int, groups: int = 4) -> Tradeoff:
    """A random net: staircases for costs, falling losses, a block per group after the first."""
    rng = np.random.default_rng(seed)
    names = [f"g{number}" for number in range(groups)]
    legal = Legal({name: (2, 4, 7, 8)[-int(rng.integers(1, 5)) :] for name in names})
    pairs = pairs_of(shape, groups)
    made: tuple[Removable, ...] = ()
    if shape == "stream":
        made = tuple(
            Removable(f"b{at}", float(rng.random()), effect=Effect(gone=(names[at],)))
            for at in range(1, groups)
        )
        # one that holds two of the blocks, and never goes with either
        both = Effect(gone=(names[1], names[2]))
        made += (Removable("outer", float(rng.random()), ("b1", "b2"), both),)
    elif shape == "chain":  # the layer between the last two: the second last takes its reader
        joined = Effect(joined=((names[-2], names[-1]),), survivors=(names[-2],))
        made = (Removable("last", float(rng.random()), effect=joined),)
    elif shape == "branches":
        held = Effect(gone=(names[1],), held=(names[0],))
        made = (Removable("arm", float(rng.random()), effect=held),)
    given = tuple(_charge(f"c{k}", legal, names, pairs, made, rng, share) for k in range(charges))
    losses = {
        name: np.append(np.sort(rng.random(len(widths) - 1))[::-1], 0.0)
        for name, widths in legal.widths.items()
    }
    return Tradeoff(legal, given, losses, made)


def _charge(
    limit: str,
    legal: Legal,
    names: list[str],
    pairs: list[tuple[int, int]],
    blocks: tuple[Removable, ...],
    rng: np.random.Generator,
    share: float,
) -> Charge:
    terms = [Term((name,), _stairs(rng, legal, (name,))) for name in names]
    for one, other in pairs:
        both = names[one], names[other]
        around = tuple(block.name for block in blocks if _lies_in(block, set(both)))
        terms.append(Term(both, _stairs(rng, legal, both), around))
    terms.append(Term((), np.array(rng.random()), tuple(block.name for block in blocks[:2])))
    whole = sum(float(term.values.max()) for term in terms)
    return Charge(limit, 0.5 + share * whole, 0.5, tuple(terms))


def _lies_in(block: Removable, groups: set[str]) -> bool:
    """Whether a layer between these groups goes with the block."""
    joined = any(groups == set(names) for names in block.effect.joined)
    return joined or bool(groups & set(block.effect.gone))


def _stairs(rng: np.random.Generator, legal: Legal, groups: tuple[str, ...]) -> np.ndarray:
    """A product of widths in steps of four, with noise: not monotone, as runtimes are."""
    sizes = [np.ceil(np.array(legal.widths[name]) / 4) * 4 for name in groups]
    grid = np.prod(np.meshgrid(*sizes, indexing="ij"), axis=0)
    return grid * (1 + 0.2 * rng.random(grid.shape))


@settings(max_examples=60, deadline=None)
@given(st.sampled_from(SHAPES), st.integers(0, 10_000), st.floats(0.05, 1.0), st.integers(1, 3))
def test_nothing_that_fits_loses_less(shape: str, seed: int, share: float, charges: int) -> None:
    tradeoff = instance(shape, seed, share, charges)
    found, expected = solve(tradeoff), least_loss(tradeoff)
    assert (found is None) == (expected is None)
    if found is not None and expected is not None:
        assert tradeoff.allowed(found.widths, found.blocks)
        assert tradeoff.fits(found.widths, found.blocks)
        assert found.loss == pytest.approx(expected, abs=TOLERANCE)
        assert found.loss == tradeoff.loss(found.widths, found.blocks)


@settings(max_examples=30, deadline=None)
@given(st.sampled_from(SHAPES), st.integers(0, 10_000))
def test_the_least_reachable_is_the_least_there_is(shape: str, seed: int) -> None:
    tradeoff = instance(shape, seed, 1.0, 1)
    (charge,) = tradeoff.charges
    free = Tradeoff(tradeoff.legal, (), tradeoff.losses, tradeoff.blocks)
    found = least(free, charge)
    expected = min(tradeoff.cost(charge, *one) for one in every(tradeoff))
    assert tradeoff.cost(charge, found.widths, found.blocks) == pytest.approx(expected, rel=1e-5)


def test_terms_of_three_groups_are_charged_as_they_are() -> None:
    rng = np.random.default_rng(3)
    legal = Legal(dict.fromkeys("abc", (1, 2, 3)))
    term = Term(("c", "a", "b"), rng.random((3, 3, 3)))
    losses = {name: np.array([0.3, 0.1, 0.0]) * (1 + rng.random()) for name in "abc"}
    tradeoff = Tradeoff(legal, (Charge("x", 0.35, 0.1, (term,)),), losses)
    found = solve(tradeoff)
    assert found is not None
    assert found.loss == pytest.approx(least_loss(tradeoff), abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
def test_terms_of_sums_are_charged_as_they_are(seed: int) -> None:
    """Two layers read a concat of three groups, one of them in a block; widths at odd steps."""
    rng = np.random.default_rng(seed)
    legal = Legal({"a": (1, 2, 3), "b": (1, 3, 4), "c": (2, 3), "d": (1, 2, 3), "e": (2, 4)})
    sums = np.add.outer(np.add.outer((1, 2, 3), (1, 3, 4)), (2, 3))
    block = Removable("arm", 0.3, effect=Effect(gone=("e",)))
    terms = (
        Term(("a", "b", "c", "d"), np.multiply.outer(np.ceil(sums / 2), (1, 2, 3)) / 10),
        Term(("e", "c", "b", "a"), np.multiply.outer((2, 4), np.sqrt(sums).transpose()) / 10),
        Term(("a", "b", "c"), rng.random((3, 3, 2))),
    )
    losses = {
        name: np.append(np.sort(rng.random(len(widths) - 1))[::-1], 0.0)
        for name, widths in legal.widths.items()
    }
    charges = (Charge("x", 2.5, 0.1, terms), Charge("y", 1.6, 0.0, terms[:1]))
    tradeoff = Tradeoff(legal, charges, losses, (block,))
    found = solve(tradeoff)
    expected = least_loss(tradeoff)
    assert found is not None
    assert found.loss == pytest.approx(expected, abs=TOLERANCE)


@pytest.mark.parametrize("seed", range(5))
def test_terms_that_grow_with_sums_are_charged_as_they_are(seed: int) -> None:
    """Layers that read a concat of three groups, one of them in a block with what it reads."""
    rng = np.random.default_rng(seed)
    legal = Legal({"a": (1, 2, 3), "b": (1, 3, 4), "c": (2, 3), "d": (1, 2, 3), "e": (2, 4)})
    arm = Removable("arm", 0.3, effect=Effect(gone=("e",)))
    mix = Removable("mix", 0.2)
    concat = (("a", 1.0), ("b", 2.0), ("c", 1.0))
    terms = (
        Term(("d",), rng.random(3), slopes=(Slope(concat, np.array([0.1, 0.2, 0.25])),)),
        Term(("e", "d"), rng.random((2, 3)), slopes=(Slope(concat[:2], rng.random((2, 3)) / 5),)),
        Term(("d",), np.ones(3) / 5, ("mix",), slopes=(Slope(concat, np.ones(3) / 20),)),
        Term(("c",), np.ones(2), slopes=(Slope((("e", 1.0),), np.ones(2) / 5),)),
    )
    losses = {
        name: np.append(np.sort(rng.random(len(widths) - 1))[::-1], 0.0)
        for name, widths in legal.widths.items()
    }
    charges = (Charge("x", 4.0, 0.1, terms), Charge("y", 2.0, 0.0, terms[:1]))
    tradeoff = Tradeoff(legal, charges, losses, (arm, mix))
    found, expected = solve(tradeoff), least_loss(tradeoff)
    assert found is not None
    assert found.loss == pytest.approx(expected, abs=TOLERANCE)
    assert tradeoff.fits(found.widths, found.blocks)
    fewer, cut = narrowed(legal, charges, {"b": (3, 4), "d": (1, 3)})
    widths = {"a": 2, "b": 3, "c": 3, "d": 3, "e": 2}
    assert [one.of(fewer, widths) for one in cut] == [one.of(legal, widths) for one in charges]


def _turned(tradeoff: Tradeoff) -> Tradeoff:
    """The same with everything in the reverse order."""
    legal = Legal(dict(reversed(tradeoff.legal.widths.items())))
    charges = tuple(
        Charge(one.limit, one.most, one.constant, tuple(map(_turned_term, reversed(one.terms))))
        for one in tradeoff.charges
    )
    return Tradeoff(legal, charges, tradeoff.losses, tradeoff.blocks[::-1])


def _turned_term(term: Term) -> Term:
    return Term(term.groups[::-1], term.values.transpose(), term.blocks[::-1])


@pytest.mark.parametrize("shape", SHAPES)
def test_the_order_of_names_changes_nothing(shape: str) -> None:
    for seed in range(5):
        tradeoff = instance(shape, seed, 0.5, 2)
        one, again, turned = solve(tradeoff), solve(tradeoff), solve(_turned(tradeoff))
        assert one == again
        assert one is None or turned is not None
        if one is not None and turned is not None:
            assert (dict(one.widths), one.blocks) == (dict(turned.widths), turned.blocks)


def flat(costs: dict[int, float], most: float) -> Solution | None:
    """One group whose widths all lose nothing."""
    legal = Legal({"g": tuple(costs)})
    charge = Charge("x", most, 0.0, (Term(("g",), np.array(list(costs.values()))),))
    return solve(Tradeoff(legal, (charge,), {"g": np.zeros(len(costs))}))


def test_a_tie_goes_to_the_cheaper_and_then_to_the_wider() -> None:
    cheaper = flat({2: 1.0, 4: 3.0, 8: 2.0}, 5.0)
    wider = flat({2: 1.0, 4: 1.0, 8: 2.0}, 5.0)
    assert cheaper is not None
    assert wider is not None
    assert (cheaper.widths["g"], wider.widths["g"]) == (2, 4)


def test_a_budget_that_a_choice_meets_to_the_digit_is_met() -> None:
    found = flat({2: 0.1 + 0.2, 4: 5.0}, 0.3)
    assert found is not None
    assert found.widths == {"g": 2}


def test_a_step_too_little_is_none() -> None:
    assert flat({2: 0.3001, 4: 5.0}, 0.3) is None


def test_a_net_of_fifty_layers_is_solved_to_the_end() -> None:
    tradeoff = instance("stream", 1, 0.4, 2, groups=50)
    found = solve(tradeoff, time_limit_s=300.0)
    assert found is not None
    assert found.gap <= 1e-5


@pytest.mark.parametrize(
    ("legal", "terms", "message"),
    [
        ({"g": (4, 2)}, (), "must ascend"),
        ({"g": (2, 4)}, (Term(("h",), np.zeros(2)),), "no group or block is called h"),
        ({"g": (2, 4)}, (Term(("g",), np.zeros(3)),), r"must have shape \(2,\), found \(3,\)"),
        ({"g": (2, 4)}, (Term(("g",), np.array([1, np.nan])),), "not finite"),
        ({"g": (2, 4)}, (Term(("g",), np.zeros(2), ("b",)),), "no group or block is called b"),
        ({"g": (2, 4)}, (Term(("g", "g"), np.zeros((2, 2))),), "named twice"),
        (
            {"g": (2, 4)},
            (Term(("g",), np.zeros(2), slopes=(Slope((("g", 1.0),), np.zeros(2)),)),),
            "named twice",
        ),
        (
            {"g": (2, 4)},
            (Term((), np.zeros(()), slopes=(Slope((("g", 1.0),), np.zeros(())),)),),
            "slopes without groups",
        ),
    ],
)
def test_parts_that_do_not_belong_together_are_refused(
    legal: dict[str, tuple[int, ...]], terms: tuple[Term, ...], message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        Tradeoff(Legal(legal), (Charge("x", 1.0, 0.0, terms),), {"g": np.zeros(2)})
