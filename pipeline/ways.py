"""From the ways to plans, and from a sweep, to the report's sections on them."""

from collections.abc import Iterator, Mapping

from pipeline import search
from pipeline.landing import Landing, Planned
from pipeline.report.planned import Charged, FrontPoint, SearchTry
from pipeline.report.section import Unavailable
from pipeline.results import Point, Results
from pipeline.search import Goal, Tried, charges, undominated
from targets.measurement import median

_P50 = 0.50


def tries(results: Results) -> tuple[SearchTry, ...]:
    """Every plan that was tried before any recovery, way by way, in order."""
    return tuple(one for landing in results.landings for one in _tries(landing))


def _tries(landing: Landing) -> Iterator[SearchTry]:
    goals = tuple(dict.fromkeys(goal for held in landing.charged for goal in held))
    for number, (one, held) in enumerate(zip(landing.tried, landing.charged, strict=True)):
        corrected = charges(goals, landing.tried[: number + 1])
        limits = tuple(_measured(tried, held, corrected) for tried in one.readings)
        yield _try(landing, one.plan, one, limits)
    if landing.chosen and landing.name not in {one.plan for one in landing.tried}:
        limits = tuple(_unmeasured(goal, value) for goal, value in landing.chosen.predicted.items())
        yield _try(landing, landing.name, None, limits)


def _try(
    landing: Landing, plan: str, tried: Tried | None, limits: tuple[Charged, ...]
) -> SearchTry:
    planned = landing.plans.get(plan)
    return SearchTry(
        plan=plan,
        runtimes=landing.runtimes,
        macs=_macs(planned) if plan else 1.0,
        blocks=tuple(one.name for one in planned.plan.blocks if one.removed) if planned else (),
        divergence=planned.divergence if planned else 0.0,
        limits=limits,
        meets=tried is not None and tried.meets,
        chosen=plan == landing.name,
        unreachable=planned.unreachable if planned else "",
    )


def _macs(planned: Planned | None) -> float | Unavailable:
    if planned is None or not planned.plan.macs_dense:
        return Unavailable(unavailable="not counted")
    return planned.plan.macs_kept / planned.plan.macs_dense


def _measured(
    one: search.Reading, held: Mapping[Goal, float], corrected: Mapping[Goal, float]
) -> Charged:
    nothing = Unavailable(unavailable="nothing was planned")
    return Charged(
        runtime=one.goal.runtime,
        limit=one.goal.limit,
        budget=one.goal.budget,
        charged=held.get(one.goal, nothing),
        predicted=one.predicted,
        observed=one.observed,
        bound=one.bound,
        residual=one.residual,
        corrected=corrected.get(one.goal, nothing),
    )


def _unmeasured(goal: Goal, predicted: float) -> Charged:
    missing = Unavailable(unavailable="not measured before recovery")
    return Charged(
        runtime=goal.runtime,
        limit=goal.limit,
        budget=goal.budget,
        charged=missing,
        predicted=predicted,
        observed=missing,
        bound=missing,
        residual=missing,
        corrected=missing,
    )


def unreachable(results: Results) -> dict[str, str]:
    """Why no plan meets the limits, by runtime."""
    return {
        runtime: one.unreachable
        for one in results.landings
        if one.unreachable
        for runtime in one.runtimes
    }


def front(results: Results, metric: str, *, higher_is_better: bool) -> tuple[FrontPoint, ...]:
    """The points of a sweep, runtime by runtime, the loosest limit first.

    A point is dominated where another of its runtime is no slower and no worse, and not both equal.
    """
    runtimes = dict.fromkeys(runtime for point in results.points for runtime in point.selected)
    found: list[FrontPoint] = []
    for runtime in runtimes:
        own = [_point(results, point, runtime, metric) for point in results.points
               if runtime in point.selected]  # fmt: skip
        found += _marked(own, -1.0 if higher_is_better else 1.0)
    return tuple(found)


def _marked(points: list[FrontPoint], sign: float) -> list[FrontPoint]:
    """Each point told whether it is dominated; `sign` turns the metric into a loss."""
    pairs = [(one.latency_ms, sign * one.metric) for one in points if isinstance(one.metric, float)]
    names = [one.name for one in points if isinstance(one.metric, float)]
    kept = dict(zip(names, undominated(pairs), strict=True))
    return [one.model_copy(update={"dominated": not kept.get(one.name, True)}) for one in points]


def _point(results: Results, point: Point, runtime: str, metric: str) -> FrontPoint:
    judged = point.selected[runtime]
    trial, seen = judged.trials[runtime], judged.made.seen[runtime]
    line = next((one for one in trial.verdict.lines if one.limit == point.limit), None)
    missing = Unavailable(unavailable="not measured")
    return FrontPoint(
        runtime=runtime,
        limit=point.limit,
        stated=point.stated,
        budget=line.budget if line and line.budget else missing,
        observed=line.observed if line and line.observed is not None else missing,
        name=judged.made.name,
        latency_ms=median(trial.candidate.latency_ms(_P50)),
        size_bytes=seen.artifact.size_bytes,
        metric=seen.scores.metrics.get(metric, missing),
        status=trial.verdict.status,
        selected=results.selected.get(runtime) is judged,
    )
