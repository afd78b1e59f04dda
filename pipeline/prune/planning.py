"""Planning: a graph's channels observed, decided upon, and written down as a plan."""

from collections.abc import Mapping, Sequence

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.prune.decision import Decision, decide
from pipeline.prune.importance import CalibrationData, observe
from pipeline.prune.plans import BlockPlan, GroupPlan, PrunePlan, pinned_plans, saved_by
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Settings, settings_of
from pipeline.prune.skipping import without_blocks


def plan(
    graph: Graph,
    *,
    ratio: float | None = None,
    macs: float | None = None,
    params: float | None = None,
    size_bytes: int | None = None,
    precision: str = "fp32",
    importance: str = "magnitude",
    strategy: str = "uniform",
    multiple: int = 1,
    keep: Sequence[str] = (),
    bounds: Mapping[str, Sequence[float]] | None = None,
    data: CalibrationData | None = None,
    sensitivity: Sensitivity | None = None,
    blocks: Sequence[BlockPlan] = (),
) -> PrunePlan:
    """Plan what to remove to meet exactly one target; with blocks, which go first, at most one.

    Args:
        graph: the graph to prune.
        ratio: the share of channels to remove, in [0, 1).
        macs: the share of the multiply-accumulates to keep, in (0, 1].
        params: the share of the trained parameters to keep, in (0, 1].
        size_bytes: the most bytes that the trained parameters may take at this `precision`.
        precision, importance, strategy, multiple, keep, bounds: see `Settings`.
        data: what importance is observed on, where it is more than the weights'.
        sensitivity: the table that the strategy of that name decides by.
        blocks: what `plan_blocks` decided; targets are of the model with all of them.

    Raises UsageError for settings out of range, patterns that match nothing, and a target that no
    plan reaches.
    """
    if blocks and all(target is None for target in (ratio, macs, params, size_bytes)):
        ratio = 0.0
    settings = settings_of(
        {"ratio": ratio, "macs": macs, "params": params, "size_bytes": size_bytes,
         "precision": precision, "importance": importance, "strategy": strategy,
         "multiple": multiple, "keep": tuple(keep),
         "bounds": {name: tuple(pair) for name, pair in (bounds or {}).items()}}
    )  # fmt: skip
    rest = without_blocks(graph, blocks)
    found = survey(rest)
    evidence = observe(rest, found, settings.importance, data)
    gone = saved_by(blocks)
    decision = decide(evidence, settings, found.reach, sensitivity, gone, found.pinned)
    return written(found, settings, decision, blocks, gone)


def written(
    found: Survey,
    settings: Settings,
    decision: Decision,
    blocks: Sequence[BlockPlan],
    gone: tuple[int, int],
) -> PrunePlan:
    """A decision as a plan.

    Args:
        found: the groups of the graph without the blocks.
        settings: what was asked for.
        decision: which of the groups' channels go.
        blocks: all blocks, those that go among them.
        gone: the MACs and parameters of those.
    """
    described = zip(
        found.names, found.members, found.reach, decision.removed, decision.reasons, strict=True
    )
    groups = tuple(
        GroupPlan(name=name, size=len(atoms), removed=removed, parameters=reach, reason=reason)
        for name, atoms, reach, removed, reason in described
    )
    everything = found.census.everything()
    alive = found.alive({group.name: group.removed for group in groups})
    closed = found.closed(decision.reasons)
    return PrunePlan(
        settings=settings,
        groups=groups,
        pinned=pinned_plans(found, closed),
        macs_pinned=found.census.count_macs(closed),
        macs_dense=found.census.count_macs(everything) + gone[0],
        macs_kept=found.census.count_macs(alive),
        parameters_dense=found.census.count_parameters(everything) + gone[1],
        parameters_kept=found.census.count_parameters(alive),
        blocks=tuple(blocks),
    )
