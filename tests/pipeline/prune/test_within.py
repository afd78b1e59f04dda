"""Plans within limits, on real graphs, charged by their multiply-accumulates."""

import json
from collections.abc import Callable, Sequence
from itertools import product

import numpy as np
import pytest
import torch

from pipeline.graph import Graph
from pipeline.graph.groups import survey
from pipeline.prune import BlockEvidence, PrunePlan, apply, plan
from pipeline.prune.block_effects import effect_of
from pipeline.prune.block_planning import BlockCost
from pipeline.prune.blocks import look_for_blocks
from pipeline.prune.knapsack import losses_of
from pipeline.prune.limits import Charge, Legal, Term
from pipeline.prune.pricing import Price, Ranking
from pipeline.prune.reference import differences
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.unreachable import Unreachable
from pipeline.prune.within import best_within
from targets.errors import UsageError

# Sums of at most 10^4 float64 products of order one, in another order: 1e4 · 1.1e-16 ≈ 1e-12,
# amplified a thousandfold by norms over few channels.
TOLERANCE = 1e-9


Nets = Callable[[str], Graph]


def planned(graph: Graph, **asked: object) -> PrunePlan:
    return best_within(graph, **asked).plan


def table(graph: Graph) -> Sensitivity:
    """Divergences from a formula: convex in the width, and different for every group."""
    found = survey(graph)
    sizes = zip(found.names, map(len, found.members), strict=True)
    return Sensitivity(
        divergence={
            name: {w: (1 + number % 3) * (size / w - 1) ** 2 / 8 for w in range(2, size)}
            for number, (name, size) in enumerate(sizes)
        }
    )


def legal_of(graph: Graph, multiple: int = 4) -> Legal:
    found = survey(graph)
    sizes = zip(found.names, map(len, found.members), strict=True)
    return Legal({name: (*range(multiple, size, multiple), size) for name, size in sizes})


def macs_charge(graph: Graph, share: float, legal: Legal) -> Charge:
    """A charge for multiply-accumulates, by asking for the MACs that no more than two groups'
    absence takes away; blocks' terms are those of nodes that are not there without them."""
    found = survey(graph)
    price = Price(found.census, Ranking.of([np.zeros(len(a)) for a in found.members]), "macs")
    terms, constant = _decomposed(price, found.names, legal)
    dense = price.of(np.array([legal.full(name) for name in found.names]))
    return Charge("macs", share * dense, constant, tuple(terms))


def _decomposed(price: Price, names: Sequence[str], legal: Legal) -> tuple[list[Term], float]:
    """MACs are sums of products of at most three groups here: inclusion and exclusion from zero."""

    def at(widths: dict[int, int]) -> int:
        return price.of(np.array([widths.get(n, 0) for n in range(len(names))], np.int64))

    constant = at({})
    terms = []
    for groups in _subsets(len(names)):
        own = [legal.widths[names[number]] for number in groups]
        values = np.zeros([len(widths) for widths in own])
        for place in np.ndindex(*values.shape):
            widths = {n: w[p] for n, w, p in zip(groups, own, place, strict=True)}
            values[place] = _interaction(at, widths)
        if values.any():
            terms.append(Term(tuple(names[number] for number in groups), values, site="layer"))
    return terms, constant


def _subsets(count: int) -> list[tuple[int, ...]]:
    numbers = range(count)
    one = [(a,) for a in numbers]
    two = [(a, b) for a, b in product(numbers, numbers) if a < b]
    three = [(a, b, c) for a, b in two for c in numbers if b < c] if count <= 3 else []
    return [*one, *two, *three]


def _interaction(at, widths: dict[int, int]) -> float:
    total = 0.0
    groups = list(widths)
    for chosen in product([False, True], repeat=len(groups)):
        part = {group: widths[group] for group, taken in zip(groups, chosen, strict=True) if taken}
        total += (-1) ** (len(groups) - sum(chosen)) * at(part)
    return total


def loss_of(planned: PrunePlan, divergence: Sensitivity) -> float:
    return sum(
        float(losses_of((one.kept,), one.size, divergence.divergence[one.name])[0])
        for one in planned.groups
    )


@pytest.mark.parametrize("net", ["residual", "plain", "heads"])
@pytest.mark.parametrize("share", [0.8, 0.5, 0.3])
def test_no_worse_than_the_knapsack_at_the_same_macs(
    net: str, share: float, graph_of: Nets
) -> None:
    graph = graph_of(net)
    known, legal = table(graph), legal_of(graph, 1)
    legal = Legal({name: widths[1:] for name, widths in legal.widths.items()})
    charge = macs_charge(graph, share, legal)
    found = best_within(graph, charges=[charge], legal=legal, sensitivity=known)
    other = plan(graph, macs=share, strategy="sensitivity", sensitivity=known)
    assert found.plan.macs_kept <= share * found.plan.macs_dense
    assert found.plan.macs_kept == pytest.approx(found.costs["macs"])
    assert found.loss == pytest.approx(loss_of(found.plan, known))
    assert found.loss <= loss_of(other, known) + 1e-5


def block_terms(graph: Graph, charge: Charge, blocks: BlockEvidence) -> Charge:
    """The charge with each pair's term under the blocks that hold a group of it alone, or join."""
    terms = []
    for term in charge.terms:
        own = {
            block.name
            for block in blocks.blocks
            if block.effect is not None
            and (
                set(term.groups) & set(block.effect.gone)
                or any(set(term.groups) == set(names) for names in block.effect.joined)
            )
        }
        terms.append(Term(term.groups, term.values, tuple(sorted(own)), term.site))
    return Charge(charge.limit, charge.most, charge.constant, tuple(terms))


def evidence_of(graph: Graph, divergence: float) -> BlockEvidence:
    blocks = look_for_blocks(graph)
    return BlockEvidence(
        tuple(
            BlockCost(
                one.name, one.macs, one.parameters, divergence if one.reason is None else None,
                tuple(n for n, other in enumerate(blocks.found) if other is not one
                      and one.overlaps(other)),
                one.reason,
                effect_of(graph, blocks, one) if one.reason is None else None,
            )
            for one in blocks.found
        ),
        blocks.macs,
    )  # fmt: skip


@pytest.mark.parametrize("net", ["residual", "plain"])
@pytest.mark.parametrize("divergence", [0.01, 0.3])
def test_what_is_charged_is_what_the_pruned_graph_costs(
    net: str, divergence: float, graph_of: Nets
) -> None:
    graph = graph_of(net)
    legal, blocks = legal_of(graph), evidence_of(graph, divergence)
    charge = block_terms(graph, macs_charge(graph, 0.4, legal), blocks)
    found = best_within(
        graph, charges=[charge], legal=legal, sensitivity=table(graph), blocks=blocks
    )
    assert bool(found.blocks) == (divergence == 0.01 or net == "plain")
    assert {one.name for one in found.plan.blocks if one.removed} == set(found.blocks)
    assert found.plan.macs_kept == pytest.approx(found.costs["macs"])
    small = apply(graph, found.plan)
    inputs = tuple(torch.cat([one] * 2) for one in graph.inputs)
    assert max(differences(graph, found.plan, small, inputs).values()) <= TOLERANCE


@pytest.mark.parametrize("share", [0.7, 0.4])
def test_blocks_never_make_it_worse(share: float, graph_of: Nets) -> None:
    graph = graph_of("residual")
    legal, blocks, known = legal_of(graph), evidence_of(graph, 0.2), table(graph)
    charge = block_terms(graph, macs_charge(graph, share, legal), blocks)
    alone = best_within(graph, charges=[charge], legal=legal, sensitivity=known)
    both = best_within(graph, charges=[charge], legal=legal, sensitivity=known, blocks=blocks)
    assert both.loss <= alone.loss + 1e-6


def test_a_plan_says_what_it_was_made_for_and_is_replayed(
    tmp_path, graph_of: Nets, fresh_graph: Nets
) -> None:
    graph = graph_of("residual")
    legal, blocks = legal_of(graph), evidence_of(graph, 0.01)
    charge = block_terms(graph, macs_charge(graph, 0.4, legal), blocks)
    made = planned(graph, charges=[charge], legal=legal, sensitivity=table(graph), blocks=blocks)
    again = planned(
        fresh_graph("residual"),
        charges=[charge],
        legal=legal,
        sensitivity=table(graph),
        blocks=blocks,
    )
    assert made == again
    made.save(tmp_path / "plan.json")
    assert json.loads((tmp_path / "plan.json").read_text())["settings"]["limits"] == {
        "macs": charge.most
    }
    assert PrunePlan.load(tmp_path / "plan.json") == made
    fresh = apply(fresh_graph("residual"), PrunePlan.load(tmp_path / "plan.json"))
    (x,) = graph.inputs
    assert torch.equal(fresh.module(x), apply(graph, made).module(x))


def test_what_is_kept_stays_and_says_so(graph_of: Nets) -> None:
    graph = graph_of("residual")
    legal, blocks = legal_of(graph), evidence_of(graph, 0.001)
    charge = block_terms(graph, macs_charge(graph, 0.75, legal), blocks)
    found = planned(
        graph, charges=[charge], legal=legal, sensitivity=table(graph), blocks=blocks,
        keep=["one", "up+down", "stem.*"], bounds={"a": (12, 16)},
    )  # fmt: skip
    groups = {one.name: one for one in found.groups}
    gone = {one.name for one in found.blocks if one.removed}
    assert gone <= {"a+b"}
    assert groups["one.weight[0]"].reason == "kept by 'one'"
    assert groups["stem.weight[0]"].removed == ()
    reasons = {one.name: one.reason for one in found.blocks}
    assert reasons["one+two"] == "is kept by 'one'"
    assert reasons["up+down"] == "is kept by 'up+down'"
    assert "a.weight[0]" not in groups or 12 <= groups["a.weight[0]"].kept <= 16


def test_a_pattern_that_matches_nothing_is_refused(graph_of: Nets) -> None:
    graph = graph_of("plain")
    legal = legal_of(graph)
    with pytest.raises(UsageError, match=r"keep: 'layer\.9' matches no group"):
        planned(graph, charges=[], legal=legal, sensitivity=table(graph), keep=["layer.9"])


def test_groups_without_measurements_stay_whole(graph_of: Nets) -> None:
    graph = graph_of("plain")
    names = survey(graph).names
    legal = Legal({name: w for name, w in legal_of(graph).widths.items() if name != names[0]})
    divergence = {n: d for n, d in table(graph).divergence.items() if n != names[1]}
    terms = tuple(Term((name,), np.array(legal.widths[name], np.float64)) for name in names[1:])
    found = planned(
        graph, charges=[Charge("x", 34.0, 0.0, terms)], legal=legal,
        sensitivity=Sensitivity(divergence=divergence),
    )  # fmt: skip
    assert [group.reason for group in found.groups] == [
        "what its widths cost was not measured",
        "its sensitivity was not measured",
        None,
        None,
    ]
    assert [group.removed for group in found.groups[:2]] == [(), ()]


def test_scores_say_which_channels_go_and_save_observing_them(graph_of: Nets) -> None:
    graph = graph_of("residual")
    legal, blocks = legal_of(graph), evidence_of(graph, 0.01)
    charge = block_terms(graph, macs_charge(graph, 0.4, legal), blocks)
    names = survey(graph).names
    scores = {name: [float(n) for n in range(legal.full(name))] for name in names}
    found = best_within(
        graph, charges=[charge], legal=legal, sensitivity=table(graph), blocks=blocks,
        importance="taylor", scores=scores,
    )  # fmt: skip
    assert found.blocks
    for group in found.plan.groups:
        assert group.removed == tuple(range(group.size - group.kept))


# ---------------------------------------------------------------- limits out of reach
def test_a_limit_out_of_reach_names_itself_the_least_and_what_is_in_the_way(graph_of: Nets) -> None:
    graph = graph_of("plain")
    legal = legal_of(graph)
    charge = macs_charge(graph, 0.05, legal)
    with pytest.raises(Unreachable) as caught:
        planned(graph, charges=[charge], legal=legal, sensitivity=table(graph), keep=["layers.3"])
    fault = caught.value
    assert (fault.limit, fault.most, fault.exit_code) == ("macs", charge.most, 3)
    least = min_macs(graph, charge, legal, {"layers.2.weight[0]": 12, "layers.3.weight[0]": 20})
    assert fault.least == pytest.approx(least)
    assert "layer: " in fault.obstacles[0]
    assert "layers.3.weight[0] stays at 20: kept by 'layers.3'" in str(fault)
    assert f"{charge.most:.4g} can't be reached; no plan takes less than {least:.4g}" in str(fault)


def min_macs(graph: Graph, charge: Charge, legal: Legal, kept: dict[str, int]) -> float:
    narrow = {name: widths[0] for name, widths in legal.widths.items()}
    return charge.of(legal, {**narrow, **kept})
