"""Planning: a graph's channels observed, decided upon, and written down as a plan."""

from collections.abc import Mapping, Sequence

from pipeline.graph.groups import Survey, survey
from pipeline.graph.trace import Graph
from pipeline.prune.decision import Decision, decide
from pipeline.prune.importance import CalibrationData, observe
from pipeline.prune.plans import GroupPlan, PrunePlan, pinned_plans
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Settings, settings_of


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
) -> PrunePlan:
    """Plan what to remove to meet exactly one target.

    Args:
        graph: the graph to prune.
        ratio: the share of channels to remove, in [0, 1).
        macs: the share of the multiply-accumulates to keep, in (0, 1].
        params: the share of the trained parameters to keep, in (0, 1].
        size_bytes: the most bytes that the trained parameters may take at this `precision`.
        precision: "fp32" or "int8".
        importance: how channels are ranked.
        strategy: "uniform", "global" or "sensitivity".
        multiple: kept widths are multiples of it where a group is wider than that.
        keep: patterns of groups, parameters or modules that stay whole.
        bounds: by pattern the least and the most of a group to keep: whole numbers are channels,
            fractions are shares of its size.
        data: what importance is observed on, where it is more than the weights'.
        sensitivity: the table that the strategy of that name decides by.

    Raises UsageError for settings out of range, patterns that match nothing, and a target that no
    plan reaches.
    """
    settings = settings_of(
        {"ratio": ratio, "macs": macs, "params": params, "size_bytes": size_bytes,
         "precision": precision, "importance": importance, "strategy": strategy,
         "multiple": multiple, "keep": tuple(keep),
         "bounds": {name: tuple(pair) for name, pair in (bounds or {}).items()}}
    )  # fmt: skip
    found = survey(graph)
    evidence = observe(graph, found, settings.importance, data)
    decision = decide(evidence, settings, found.reach, sensitivity)
    return _written(found, settings, decision)


def _written(found: Survey, settings: Settings, decision: Decision) -> PrunePlan:
    described = zip(
        found.names, found.members, found.reach, decision.removed, decision.reasons, strict=True
    )
    groups = tuple(
        GroupPlan(name=name, size=len(atoms), removed=removed, parameters=reach, reason=reason)
        for name, atoms, reach, removed, reason in described
    )
    everything = found.census.everything()
    alive = found.alive({group.name: group.removed for group in groups})
    return PrunePlan(
        settings=settings,
        groups=groups,
        pinned=pinned_plans(found.pinned),
        macs_dense=found.census.count_macs(everything),
        macs_kept=found.census.count_macs(alive),
        parameters_dense=found.census.count_parameters(everything),
        parameters_kept=found.census.count_parameters(alive),
    )
