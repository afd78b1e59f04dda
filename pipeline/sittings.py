"""The stages that measure: a candidate beside dense on one runtime, by the full rule or the short.

Each trial is a step of the workspace: a finished one is kept whole, an interrupted one is measured
again. The key holds the artifacts, the budget, the rule and the device.
"""

import json
from collections.abc import Mapping
from dataclasses import asdict, replace
from pathlib import Path

from pipeline import evaluate
from pipeline.desk import Desk
from pipeline.evidence import Seen, describe
from pipeline.stages import Exported
from pipeline.trial_record import trial_from_json, trial_to_json
from pipeline.workspace import atomic_write
from targets import trial as trials
from targets.artifact import Artifact
from targets.budget import Observation
from targets.limit import METRIC_LIMITS
from targets.measurement import TimingRule
from targets.trial import Trial

SHORT = replace(TimingRule.quick(), attempts=1)
"""For searching: a handful of processes, and no repetition where the machine drifts."""


def trial(desk: Desk, dense: Seen, candidate: Seen) -> Trial:
    """Measures a candidate beside dense by the full rule, and judges it by the recipe's budget."""
    facts = {trials.DENSE: {}, trials.CANDIDATE: _metric_facts(desk, dense, candidate)}
    return _conduct(desk, "trial", dense.artifact, candidate.artifact, facts, desk.rule)


def short_trial(desk: Desk, dense: Mapping[str, Seen], exported: Exported) -> tuple[float, str]:
    """How far an unrecovered candidate is from the limits on cost, by the short rule.

    Returns:
        The largest bound / budget over runtimes and limits on cost, and the limit behind it.
    """
    made = {}
    for runtime in (name for name in exported.files if name in dense):
        artifact = describe(desk, runtime, exported.files[runtime]).artifact
        made[runtime] = _conduct(desk, "short-trial", dense[runtime].artifact, artifact, {}, SHORT)
    return cost_excess(made)


def cost_excess(made: Mapping[str, Trial]) -> tuple[float, str]:
    """The largest bound / budget over limits on cost, and the limit and runtime behind it."""
    shares = [
        (share, f"{line.limit} on {runtime}")
        for runtime, one in made.items()
        for line in one.verdict.lines
        if line.limit not in METRIC_LIMITS and (share := line.share()) is not None
    ]
    return max(shares, default=(0.0, "no limit on cost"))


def _metric_facts(desk: Desk, dense: Seen, candidate: Seen) -> dict[str, Observation]:
    limits = desk.loaded.recipe.budget.metric
    if limits is None:
        return {}
    drop = evaluate.drop(dense.scores, candidate.scores, limits.name)
    worst = evaluate.worst_class_drop(dense.scores, candidate.scores)
    missing = None if worst is not None else f"metric '{limits.name}' has no classes"
    return {
        "metric.max_drop": Observation(value=drop),
        "metric.max_class_drop": Observation(value=worst, missing_reason=missing),
    }


def _conduct(
    desk: Desk,
    name: str,
    dense: Artifact,
    candidate: Artifact,
    facts: Mapping[str, Mapping[str, Observation]],
    rule: TimingRule,
) -> Trial:
    runtime = candidate.runtime
    budget = desk.loaded.recipe.budget

    def work(folder: Path) -> None:
        target = desk.targets[runtime]
        made = trials.conduct(
            target, dense, candidate, budget, facts, rule=rule, progress=desk.console.progress
        )
        atomic_write(folder / "trial.json", json.dumps(trial_to_json(made)) + "\n")

    inputs = {
        "dense": dense.sha256,
        "candidate": candidate.sha256,
        "facts": {who: {k: asdict(v) for k, v in seen.items()} for who, seen in facts.items()},
        "budget": budget.model_dump(mode="json"),
        "rule": asdict(rule),
        "device": desk.device.model_dump(mode="json"),
    }
    folder = desk.workspace.step(f"{name}-{runtime}", inputs, work)
    return trial_from_json(json.loads((folder / "trial.json").read_text()))
