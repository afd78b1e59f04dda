"""A round of the recipe's prune step: what it asks for, what decides it, and what mends it."""

from collections.abc import Mapping
from dataclasses import asdict, dataclass

from pipeline.candidate import Candidate
from pipeline.desk import Desk
from pipeline.graph import Graph
from pipeline.graph.groups import survey
from pipeline.prune import PrunePlan, measure_blocks, plan, plan_blocks
from pipeline.prune.block_planning import most_blocks
from pipeline.prune.blocks import look_for_blocks
from pipeline.prune.importance import CalibrationData, observe
from pipeline.prune.options import reach_of_blocks
from pipeline.prune.patterns import matching
from pipeline.prune.probing import measure
from pipeline.prune.repair import repair_told
from pipeline.prune.repair.repairing import Method
from pipeline.prune.sensitivity import Sensitivity
from pipeline.prune.settings import Precision
from pipeline.prune.weights import plan_weights, weights_of
from pipeline.recipe import Prune
from targets.errors import UsageError

OBSERVED_ON_DATA = ("taylor", "activation", "obs")
BYTES: dict[Precision, int] = {"fp32": 4, "int8": 1}
"""Of nearly every parameter."""


@dataclass(frozen=True)
class Target:
    """What one plan must reach: at most one of them; none where the step says it otherwise."""

    ratio: float | None = None
    macs: float | None = None
    params: float | None = None
    size_bytes: int | None = None


def check_patterns(desk: Desk) -> None:
    """Refuse, before anything is made, what no plan could take later on.

    Raises RecipeError, with the recipe's line, for a name in `keep` or `bounds` of the prune step
    that the dense model has nothing for.
    """
    graph, settings = desk.dense, desk.prune
    assert settings is not None, "only names that were given are looked up (stages.patterns)"
    try:
        kept = _may_be_kept(graph, settings)
        for pattern in settings.keep:
            matching("keep", pattern, kept)
        for pattern in settings.bounds:
            matching("bounds", pattern, survey(graph).reach)
    except UsageError as error:
        raise _located(desk, error) from error


def _may_be_kept(graph: Graph, settings: Prune) -> list[tuple[str, ...]]:
    """What a pattern in `keep` may mean, each with the names that it goes by."""
    if settings.granularity == "weight":
        return [(weight.name,) for weight in weights_of(graph)]
    if settings.to is not None:
        return [*survey(graph).reach, *reach_of_blocks(graph, look_for_blocks(graph).found)]
    if settings.granularity == "block":
        return [(block.name,) for block in look_for_blocks(graph).found]
    return [*survey(graph).reach]


def decide(
    desk: Desk, before: Candidate, settings: Prune, number: int, table: Sensitivity | None
) -> PrunePlan:
    """The plan of a round.

    Args:
        desk: task and recipe.
        before: the candidate as the rounds before left it.
        settings: the recipe's step, in a mode that says how much.
        number: the round, from 1.
        table: what `sensitivity` measured, for the strategy of that name.

    Raises RecipeError, with the recipe's line, for a setting that this model refuses.
    """
    target = target_of(settings, number, before, BYTES[_precision(desk)])
    try:
        if settings.granularity == "weight":
            return _weights(before.graph, settings, number)
        if settings.granularity == "block":
            return _blocks(desk, before.graph, settings, target)
        return _channels(desk, before.graph, settings, target, table)
    except UsageError as error:
        if type(error) is not UsageError:
            raise  # about the user's data: it has its own place
        raise _located(desk, error) from error


def _channels(
    desk: Desk, graph: Graph, settings: Prune, target: Target, table: Sensitivity | None
) -> PrunePlan:
    return plan(
        graph,
        ratio=target.ratio,
        macs=target.macs,
        params=target.params,
        size_bytes=target.size_bytes,
        precision=_precision(desk),
        importance=settings.importance,
        strategy=settings.strategy,
        multiple=settings.multiple,
        keep=settings.keep,
        bounds=settings.bounds,
        data=data_of(desk) if settings.importance in OBSERVED_ON_DATA else None,
        sensitivity=table,
    )


def _blocks(desk: Desk, graph: Graph, settings: Prune, target: Target) -> PrunePlan:
    """A ratio is the share of the blocks that can go together."""
    evidence = measure_blocks(graph, data_of(desk), progress=desk.console.progress)
    if target.macs is not None:
        return plan(graph, blocks=plan_blocks(evidence, macs=target.macs, keep=settings.keep))
    count = round((target.ratio or 0.0) * most_blocks(evidence, settings.keep))
    return plan(graph, blocks=plan_blocks(evidence, count=count, keep=settings.keep))


def _weights(graph: Graph, settings: Prune, number: int) -> PrunePlan:
    """Rounds raise the sparsity: what is zero stays among the least."""
    scope = "global" if settings.strategy == "global" else "layerwise"
    if settings.ratio is None:
        return plan_weights(graph, pattern=settings.pattern, scope=scope, keep=settings.keep)
    sparsity = 1 - (1 - settings.ratio) ** (number / settings.rounds)
    return plan_weights(graph, sparsity=sparsity, scope=scope, keep=settings.keep)


def _precision(desk: Desk) -> Precision:
    return "int8" if desk.quantize else "fp32"


def sensitivity(desk: Desk, before: Candidate, importance: str) -> Sensitivity:
    """What each width of each group does to the outputs, by this importance."""
    data = data_of(desk)
    evidence = observe(before.graph, survey(before.graph), importance, data)
    return measure(before.graph, evidence, data, progress=desk.console.progress)


@dataclass(frozen=True)
class Mended:
    """A graph after its repair, and what is told of it."""

    graph: Graph
    told: Mapping[str, object]


def mend(desk: Desk, before: Graph, decided: PrunePlan, after: Graph, method: str) -> Mended:
    """The pruned graph with its weights or statistics made good on the calibration split."""
    if method == "none":
        return Mended(after, {"method": "none"})
    by: Method = "batchnorm" if method == "batchnorm" else "least-squares"
    desk.console.progress("repairing", 0.0)
    inputs = [inputs for inputs, _ in desk.task.batches("calibration")]
    done = repair_told(before, after, decided, inputs, method=by)
    declined = [asdict(one) for one in done.declined]
    return Mended(done.graph, {"method": by, "solved": list(done.solved), "declined": declined})


def target_of(settings: Prune, number: int, before: Candidate, bytes_each: int) -> Target:
    """What a round asks for, of the graph that it finds.

    Rounds leave equal shares of what they find. Of a count, what one missed (widths come in steps)
    the next makes up for, and the last meets the whole.

    Args:
        settings: the recipe's step.
        number: the round, from 1.
        before: what the rounds before left.
        bytes_each: about what a parameter takes, to find sizes on the way.
    """
    steps = settings.rounds
    done = number / steps
    parameters, kept = _parameters(before), _kept(before)
    if settings.ratio is not None:
        return Target(ratio=1 - (1 - settings.ratio) ** (1 / steps))
    if settings.macs is not None:
        return Target(macs=min(1.0, settings.macs**done / kept.macs))
    if settings.params is not None:
        return Target(params=min(1.0, settings.params**done / kept.parameters))
    if settings.size_bytes is None:
        return Target()
    last = settings.size_bytes
    dense = max(bytes_each * parameters / kept.parameters, last)
    return Target(size_bytes=last if number == steps else int(dense ** (1 - done) * last**done))


@dataclass(frozen=True)
class _Kept:
    """The shares of the dense model's work and weights that a candidate has."""

    macs: float = 1.0
    parameters: float = 1.0


def _kept(candidate: Candidate) -> _Kept:
    if not candidate.plans:
        return _Kept()
    first, last = candidate.plans[0], candidate.plans[-1]
    return _Kept(
        last.macs_kept / max(1, first.macs_dense),
        last.parameters_kept / max(1, first.parameters_dense),
    )


def _parameters(candidate: Candidate) -> int:
    return sum(parameter.numel() for parameter in candidate.graph.module.parameters())


def data_of(desk: Desk) -> CalibrationData:
    """The calibration split, with the task's loss."""
    return CalibrationData(tuple(desk.task.batches("calibration")), desk.task.loss)


def _located(desk: Desk, error: UsageError) -> UsageError:
    """The error with the recipe's file and line: those of the setting that it begins with."""
    steps = desk.loaded.recipe.steps
    place = next(index for index, step in enumerate(steps) if step.prune)
    key, _, told = str(error).partition(": ")
    if key in Prune.model_fields:
        return desk.loaded.error(("steps", place, "prune", key), told)
    return desk.loaded.error(("steps", place, "prune"), str(error))
