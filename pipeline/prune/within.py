"""Planning under limits: the widths and blocks that lose least and keep within all of them.

Costs and divergences are of the whole graph's groups; a plan's groups are those of the graph
without its blocks. So a choice is made in the first and written down in the second: a group that
goes with a block costs and loses nothing; one that another takes the place of has that one's width
and counts by its divergence; one that can't be told from the whole graph's stays whole (see
pipeline/prune/block_effects.py).

Divergences of groups and blocks are added, as if they did not depend on each other.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import numpy as np

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.prune.block_effects import Descent, descent
from pipeline.prune.block_planning import BlockEvidence
from pipeline.prune.decision import (
    EMPTYING,
    Decision,
    check_scores,
    emptying_groups,
    removed_at,
)
from pipeline.prune.exact import TIME_LIMIT_S, Solution, solve
from pipeline.prune.importance import CalibrationData, Evidence, GroupEvidence, observe
from pipeline.prune.limits import Charge, Legal
from pipeline.prune.options import Options, options_of
from pipeline.prune.planning import written
from pipeline.prune.plans import BlockPlan, PrunePlan, saved_by
from pipeline.prune.pricing import Ranking
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Settings, settings_of
from pipeline.prune.skipping import without_blocks
from pipeline.prune.unreachable import unreachable

_NEW = "what it becomes without the blocks was not measured"


@dataclass(frozen=True)
class Within:
    """A plan within limits, and what was expected of it.

    Attributes:
        plan: what goes.
        widths: of the whole graph's groups, as charges name them; those that go count as whole.
        blocks: that go.
        loss: the summed divergence, in nats.
        gap: the share by which the least might be lower; 0 where it was found to the end.
        costs: what each limit is charged.
    """

    plan: PrunePlan
    widths: Mapping[str, int]
    blocks: tuple[str, ...]
    loss: float
    gap: float
    costs: Mapping[str, float]


def best_within(
    graph: Graph,
    *,
    charges: Sequence[Charge],
    legal: Legal,
    sensitivity: Sensitivity,
    blocks: BlockEvidence | None = None,
    importance: str = "magnitude",
    data: CalibrationData | None = None,
    keep: Sequence[str] = (),
    bounds: Mapping[str, Sequence[float]] | None = None,
    scores: Mapping[str, Sequence[float]] | None = None,
    time_limit_s: float = TIME_LIMIT_S,
) -> Within:
    """The plan of the least divergence that keeps within all charges, over legal widths and
    removable blocks together.

    Args:
        graph: the whole graph.
        charges: the limits; their groups and blocks are the graph's.
        legal: the widths that the runtime takes well; groups that it does not name stay whole.
        sensitivity: divergence by group and width; groups without any stay whole.
        blocks: what `measure_blocks` found, of which those with a divergence may go; None: all
            stay.
        importance, data: which channels go, as `plan` has it.
        keep: patterns of groups, parameters, modules or blocks that stay.
        bounds: see `Settings`.
        scores: per group of the whole graph, what `observe` found its channels to be worth by this
            importance; None: it is observed here.
        time_limit_s: for each question to the solver.

    Raises Unreachable where no plan meets the limits, and UsageError for patterns that match
    nothing.
    """
    settings = settings_of(
        {"limits": {one.limit: float(one.most) for one in charges}, "importance": importance,
         "strategy": "sensitivity", "keep": tuple(keep),
         "bounds": {name: tuple(pair) for name, pair in (bounds or {}).items()}}
    )  # fmt: skip
    options = options_of(graph, settings, charges, legal, sensitivity, blocks)
    drafts = _Drafts(graph, survey(graph), settings, data, dict(scores or {}))
    while True:
        found = solve(options.tradeoff, time_limit_s=time_limit_s)
        if found is None:
            raise unreachable(options.tradeoff, options.reasons, time_limit_s=time_limit_s)
        plan, emptying = drafts.of(options, found)
        if not emptying:
            return Within(plan, found.widths, found.blocks, found.loss, found.gap, found.costs)
        options = options.without(dict.fromkeys(emptying, EMPTYING))


@dataclass(frozen=True)
class _Rest:
    """The graph without some blocks: its groups, and what their channels are worth."""

    found: Survey
    sources: tuple[str | None, ...]
    evidence: Evidence
    ranking: Ranking


@dataclass(frozen=True)
class _Drafts:
    """Choices written down as plans; what is observed of a graph without blocks is kept."""

    graph: Graph
    whole: Survey
    settings: Settings
    data: CalibrationData | None
    scores: dict[str, Sequence[float]]
    known: dict[tuple[str, ...], _Rest] = field(default_factory=dict)

    def of(self, options: Options, solution: Solution) -> tuple[PrunePlan, set[str]]:
        """The plan of a choice, and the groups whose widths would leave a dimension empty."""
        blocks = options.going(solution.blocks)
        rest = self._rest(blocks)
        sizes = [len(atoms) for atoms in rest.found.members]
        widths = np.array(
            [
                size if source is None else solution.widths[source]
                for source, size in zip(rest.sources, sizes, strict=True)
            ],
            np.int64,
        )
        decision = Decision(
            removed_at(rest.ranking, widths),
            tuple(_NEW if one is None else options.reasons.get(one) for one in rest.sources),
        )
        empty = emptying_groups(rest.evidence, rest.ranking, widths)
        emptying = {source for group in empty if (source := rest.sources[group]) is not None}
        return written(rest.found, self.settings, decision, blocks, saved_by(blocks)), emptying

    def _rest(self, blocks: Sequence[BlockPlan]) -> _Rest:
        going = tuple(block.name for block in blocks if block.removed)
        if going not in self.known:
            rest = without_blocks(self.graph, blocks)
            found = survey(rest)
            fate = descent(self.whole, found)
            evidence = self._evidence(rest, found, fate)
            check_scores(evidence)
            ranking = Ranking.of([np.array(one.scores, np.float64) for one in evidence.groups])
            self.known[going] = _Rest(found, fate.sources, evidence, ranking)
        return self.known[going]

    def _evidence(self, rest: Graph, found: Survey, fate: Descent) -> Evidence:
        """What channels are worth in the whole graph, as their divergence was measured: without
        blocks, and unrepaired, a graph's values are not what they will be. Channels that get other
        readers are observed anew."""
        if fate.effect.joined:
            return observe(rest, found, self.settings.importance, self.data)
        groups = tuple(
            GroupEvidence(name, (0.0,) * len(atoms) if source is None else self._scores(source))
            for name, atoms, source in zip(found.names, found.members, fate.sources, strict=True)
        )
        return Evidence(groups, found.census)

    def _scores(self, group: str) -> tuple[float, ...]:
        if not self.scores:
            evidence = observe(self.graph, self.whole, self.settings.importance, self.data)
            self.scores.update({one.name: one.scores for one in evidence.groups})
        return tuple(self.scores[group])
