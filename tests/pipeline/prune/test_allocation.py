"""Widths under a limit: every strategy keeps to targets, bounds, multiples and what is kept."""

from itertools import product

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipeline.graph.census import Census, Rows
from pipeline.prune.decision import decide
from pipeline.prune.importance import Evidence, GroupEvidence
from pipeline.prune.knapsack import losses_of
from pipeline.prune.pricing import Price, Ranking
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Settings
from pipeline.prune.widths import allowed_widths
from targets.errors import UsageError


def layers(widths: list[int], macs: tuple[tuple[int, tuple[int, ...]], ...]) -> Evidence:
    """One axis per group; costs are products of axes."""
    count = sum(widths)
    axis = np.repeat(np.arange(len(widths)), widths)
    rows = Rows(axis, np.ones(count, np.int64), np.arange(count), np.arange(count))
    census = Census(
        count, np.zeros(len(widths), np.int64), rows, macs, 1, macs, (True,) * len(macs)
    )
    scores = [[1.0 + (7 * i) % width for i in range(width)] for width in widths]
    groups = (
        GroupEvidence(f"g{n}", tuple((np.array(one) / np.mean(one)).tolist()))
        for n, one in enumerate(scores)
    )
    return Evidence(tuple(groups), census)


def chain(widths: list[int]) -> Evidence:
    """Layers in a row: costs are products of neighbouring widths."""
    return layers(widths, tuple((1, (left, left + 1)) for left in range(len(widths) - 1)))


def apart(widths: list[int], costs: list[int]) -> Evidence:
    """Layers that do not meet: costs are sums over groups."""
    return layers(widths, tuple((cost, (n,)) for n, cost in enumerate(costs)))


def table(widths: list[int], seed: int) -> Sensitivity:
    """Random divergences that fall with the width."""
    generator = np.random.default_rng(seed)
    falling = [np.sort(generator.exponential(size=size - 2))[::-1].tolist() for size in widths]
    return Sensitivity(
        divergence={f"g{n}": dict(enumerate(losses, 2)) for n, losses in enumerate(falling)}
    )


def price_of(evidence: Evidence) -> Price:
    ranking = Ranking.of([np.array(group.scores) for group in evidence.groups])
    return Price(evidence.census, ranking, "macs")


def kept(evidence: Evidence, asked: Settings, by: Sensitivity | None = None) -> list[int]:
    removed = decide(evidence, asked, None, by).removed
    return [group.size - len(gone) for group, gone in zip(evidence.groups, removed, strict=True)]


def divergence(by: Sensitivity, widths: list[int]) -> float:
    return sum(by.divergence[f"g{n}"].get(width, 0.0) for n, width in enumerate(widths))


small = st.lists(st.integers(5, 8), min_size=2, max_size=4)
wide = st.lists(st.integers(5, 40), min_size=2, max_size=6)
shares = st.floats(0.45, 0.95)
strategies = st.sampled_from(["uniform", "global", "sensitivity"])
seeds = st.integers(0, 99)


def fitting(evidence: Evidence, widths: list[int], share: float) -> np.ndarray:
    """All combinations of widths that cost no more than this share."""
    every = np.array(list(product(*[range(2, width + 1) for width in widths])))
    price = price_of(evidence)
    return every[price.of_each(every) <= int(share * price.of(np.array(widths)))]


@given(small, st.data(), shares, seeds)
@settings(deadline=None)
def test_where_costs_add_up_the_programme_is_exact(widths, data, share, seed) -> None:
    costs = data.draw(st.lists(st.integers(1, 20), min_size=len(widths), max_size=len(widths)))
    evidence, by = apart(widths, costs), table(widths, seed)
    best = min(divergence(by, one) for one in fitting(evidence, widths, share).tolist())
    found = kept(evidence, Settings(macs=share, strategy="sensitivity"), by)
    assert divergence(by, found) == pytest.approx(best, abs=1e-9)


@given(small, shares, seeds)
@settings(deadline=None)
def test_where_costs_multiply_no_exchange_of_two_improves(widths, share, seed) -> None:
    evidence, by = chain(widths), table(widths, seed)
    asked = Settings(macs=share, strategy="sensitivity")
    found = kept(evidence, asked, by)
    assert divergence(by, found) <= divergence(by, kept(evidence, Settings(macs=share)))
    choices = fitting(evidence, widths, share)
    near = choices[(choices != np.array(found)).sum(1) <= 2].tolist()
    assert divergence(by, found) <= min(divergence(by, one) for one in near) + 1e-9


def test_where_costs_multiply_the_programme_is_nearly_the_best() -> None:
    """Over nets of up to four layers, against all combinations: the mean loss within 1%."""
    ratios = []
    generator = np.random.default_rng(0)
    for seed in range(40):
        widths = generator.integers(5, 10, generator.integers(2, 5)).tolist()
        share = generator.uniform(0.3, 0.9)
        evidence, by = chain(widths), table(widths, seed)
        best = min(divergence(by, one) for one in fitting(evidence, widths, share).tolist())
        found = kept(evidence, Settings(macs=share, strategy="sensitivity"), by)
        ratios.append(divergence(by, found) / best)
    assert np.mean(ratios) < 1.01


@given(wide, shares, strategies, st.sampled_from([1, 2, 4, 8]), seeds)
@settings(deadline=None)
def test_every_strategy_keeps_to_target_and_grid(widths, share, strategy, multiple, seed) -> None:
    evidence = chain(widths)
    asked = Settings(macs=share, strategy=strategy, multiple=multiple)
    by = table(widths, seed) if strategy == "sensitivity" else None
    try:
        found = kept(evidence, asked, by)
    except UsageError as refusal:
        assert "can't be reached" in str(refusal)
        return
    price = price_of(evidence)
    most = share * price.of(np.array(widths))
    assert price.of(np.array(found)) <= most
    allowed = [allowed_widths(size, multiple) for size in widths]
    assert all(width in own for width, own in zip(found, allowed, strict=True))
    for group, own in enumerate(allowed):  # as near as widths allow: no single step more fits
        step = next((width for width in own if width > found[group]), None)
        if step is not None:
            wider = np.array([*found[:group], step, *found[group + 1 :]])
            assert price.of(wider) > most or strategy == "sensitivity"


@given(small, shares, shares, seeds)
@settings(deadline=None)
def test_a_looser_target_never_diverges_more(widths, one, other, seed) -> None:
    low, high = sorted((one, other))
    by = table(widths, seed)
    evidence = apart(widths, [1 + n for n in range(len(widths))])
    found = [
        divergence(by, kept(evidence, Settings(macs=share, strategy="sensitivity"), by))
        for share in (low, high)
    ]
    assert found[1] <= found[0] + 1e-9


@given(wide, strategies, st.integers(2, 5), st.integers(5, 9), seeds)
@settings(deadline=None)
def test_bounds_and_keep_hold(widths, strategy, least, most, seed) -> None:
    evidence = chain(widths)
    by = table(widths, seed) if strategy == "sensitivity" else None
    last = f"g{len(widths) - 1}"
    asked = Settings(
        params=0.75,
        strategy=strategy,
        bounds={"*": (least, 1.0), "g0": (least, most)},
        keep=(last,),
    )
    try:
        decision = decide(evidence, asked, None, by)
    except UsageError as refusal:
        assert "can't be reached" in str(refusal)
        return
    found = [size - len(gone) for size, gone in zip(widths, decision.removed, strict=True)]
    assert found[-1] == widths[-1]
    assert decision.reasons[-1] == f"kept by '{last}'"
    assert least <= found[0] <= min(most, widths[0])
    assert min(found) >= least


def test_bounds_go_before_multiples() -> None:
    assert allowed_widths(64, 8, (0.25, 0.5)) == (16, 24, 32)
    assert allowed_widths(64, 8, (5, 7)) == (7,)
    assert allowed_widths(16, 8, (20, 30)) == (16,)
    assert allowed_widths(4, 1, (1, 3)) == (2, 3)


@pytest.mark.parametrize("strategy", ["global", "uniform"])
def test_axes_that_multiply_are_budgeted_together(strategy: str) -> None:
    """A quarter is to stay: not a quarter of both axes, and none is emptied."""
    heads, dims = 8, 16
    pairs = np.array([[h, heads + d] for h in range(heads) for d in range(dims)])
    count = heads * dims
    rows = Rows(np.zeros(count, np.int64), np.ones(count, np.int64), np.arange(count) * 2,
                pairs.ravel())  # fmt: skip
    census = Census(24, np.zeros(1, np.int64), rows, ((1, (0,)),), 1, ())
    scores = [tuple(np.linspace(0.5, 1.5, size).tolist()) for size in (heads, dims)]
    groups = (GroupEvidence("h", scores[0], (1,)), GroupEvidence("d", scores[1], (0,)))
    found = kept(Evidence(groups, census), Settings(macs=0.25, strategy=strategy))
    assert found == {"global": [4, 8], "uniform": [8, 4]}[strategy]


def test_a_target_out_of_reach_tells_the_least_and_what_pins_it() -> None:
    evidence = chain([16, 16, 16])
    with pytest.raises(UsageError) as refusal:
        decide(evidence, Settings(macs=0.1, multiple=4, keep=("g1",)))
    assert str(refusal.value) == (
        "macs: 0.1 can't be reached; no plan leaves less than 0.2500; it is held up by "
        "g1 (kept by 'g1'; 94% of what stays); g0 (no narrower than 4; 38% of what stays); "
        "g2 (no narrower than 4; 38% of what stays)"
    )
    with pytest.raises(UsageError, match=r"size_bytes: 9 can't be reached; no plan leaves"):
        decide(evidence, Settings(size_bytes=9))


def test_scores_that_are_not_finite_are_refused() -> None:
    evidence = chain([8, 8])
    broken = GroupEvidence("g1", (1.0, float("nan"), *[1.0] * 6))
    with pytest.raises(UsageError, match=r"importance of g1 is nan in channel 1: .*gradients"):
        decide(Evidence((evidence.groups[0], broken), evidence.census), Settings(ratio=0.5))


def test_sensitivity_needs_its_table_and_leaves_what_was_not_measured() -> None:
    evidence = chain([8, 8])
    asked = Settings(macs=0.75, strategy="sensitivity")
    with pytest.raises(UsageError, match="needs a table of divergences"):
        decide(evidence, asked)
    decision = decide(evidence, asked, None, Sensitivity(divergence={"g0": {4: 0.5}}))
    assert [len(gone) for gone in decision.removed] == [2, 0]
    assert decision.reasons == (None, "its sensitivity was not measured")


def test_divergence_is_linear_between_widths_and_never_rises_with_them() -> None:
    losses = losses_of((2, 3, 4, 6, 8), 8, {2: 4.0, 4: 1.0, 6: 2.0})
    assert losses.tolist() == [4.0, 3.0, 2.0, 2.0, 0.0]


@pytest.mark.parametrize(
    "table",
    [{"g": {0: 1.0}}, {"g": {2: -1.0}}, {"g": {2: float("nan")}}, {"g": {2: float("inf")}}],
)
def test_a_table_of_nonsense_is_refused(table: dict) -> None:
    with pytest.raises(ValueError, match="g"):
        Sensitivity(divergence=table)


def test_a_table_is_json() -> None:
    one = table([5, 6], 0)
    assert Sensitivity.model_validate_json(one.model_dump_json()) == one
