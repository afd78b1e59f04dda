"""The stages that measure: a candidate beside dense on one runtime, by the full rule or the short.

Each is a step of the workspace: a finished one is kept whole, an interrupted one is measured
again. The key of a trial holds the artifacts, the budget, the rule and the device; a weighing knows
no budget, so that every budget is judged by the same samples.
"""

import json
import time
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

from pipeline import evaluate
from pipeline.desk import Desk
from pipeline.evidence import Seen
from pipeline.trial_record import trial_from_json, trial_to_json
from pipeline.workspace import atomic_write
from targets import trial as trials
from targets.artifact import Artifact
from targets.budget import Budget, Line, Observation
from targets.limit import METRIC_LIMITS
from targets.measurement import Measurement, TimingRule
from targets.samples import measurement_from_json
from targets.trial import CANDIDATE, DENSE, Trial

SHORT = replace(
    TimingRule.quick(), processes=3, min_samples=60, min_seconds=0.3, attempts=3, cool_down_s=2.0
)
"""Before recovery: a handful of processes."""


def trial(desk: Desk, dense: Seen, candidate: Seen) -> Trial:
    """Measures a candidate beside dense by the full rule, and judges it by the recipe's budget."""
    runtime, budget = candidate.artifact.runtime, desk.loaded.recipe.budget
    facts = {DENSE: {}, CANDIDATE: _metric_facts(desk, dense, candidate)}

    def work(folder: Path) -> None:
        made = trials.conduct(
            desk.targets[runtime],
            dense.artifact,
            candidate.artifact,
            budget,
            facts,
            rule=desk.rule,
            progress=desk.console.progress,
        )
        atomic_write(folder / "trial.json", json.dumps(trial_to_json(made)) + "\n")

    inputs = {
        **_key(desk, dense.artifact, candidate.artifact, desk.rule),
        "facts": {who: {k: asdict(v) for k, v in seen.items()} for who, seen in facts.items()},
        "budget": budget.model_dump(mode="json"),
    }
    folder = desk.workspace.step(f"trial-{runtime}", inputs, work)
    return trial_from_json(json.loads((folder / "trial.json").read_text()))


@dataclass(frozen=True)
class Weighing:
    """Dense and a draft, measured in turns in one short sitting."""

    dense: Artifact
    draft: Artifact
    measured: Mapping[str, Measurement]

    def lines(self, budget: Budget) -> dict[str, Line]:
        """The budget's limits on cost as this sitting judges the draft, by name."""
        artifacts = {DENSE: self.dense, CANDIDATE: self.draft}
        judged = trials.judge_sitting(self.measured, artifacts, budget, {}).verdict.lines
        return {line.limit: line for line in judged if line.limit not in METRIC_LIMITS}


def weigh(desk: Desk, dense: Artifact, draft: Artifact) -> Weighing:
    """Measures a draft beside dense by the short rule."""
    runtime = draft.runtime
    rule = trials.covering(SHORT, desk.loaded.recipe.budget)

    def work(folder: Path) -> None:
        found = _sat(desk, dense, draft, rule)
        document = {who: measured.to_json() for who, measured in found.items()}
        atomic_write(folder / "sitting.json", json.dumps(document) + "\n")

    folder = desk.workspace.step(f"weigh-{runtime}", _key(desk, dense, draft, rule), work)
    document = json.loads((folder / "sitting.json").read_text())
    measured = {who: measurement_from_json(one) for who, one in document.items()}
    return Weighing(dense, draft, measured)


def _sat(desk: Desk, dense: Artifact, draft: Artifact, rule: TimingRule) -> dict[str, Measurement]:
    """A sitting; another after a rest where the machine was disturbed, until there were enough."""
    pair = {DENSE: dense, CANDIDATE: draft}
    for _ in range(rule.attempts):
        found = trials.sitting(desk.targets[draft.runtime], pair, rule, desk.console.progress)
        if not any(one.invalid_reason() for one in found.values()):
            break
        time.sleep(rule.cool_down_s)
    else:
        desk.console.remark(f"{draft.runtime}: the machine was disturbed in every sitting")
    return found


def _key(desk: Desk, dense: Artifact, candidate: Artifact, rule: TimingRule) -> dict[str, object]:
    return {
        "dense": dense.sha256,
        "candidate": candidate.sha256,
        "rule": asdict(rule),
        "device": desk.device.model_dump(mode="json"),
    }


def _metric_facts(desk: Desk, dense: Seen, candidate: Seen) -> dict[str, Observation]:
    limits = desk.loaded.recipe.budget.metric
    if limits is None:
        return {}
    return evaluate.observations(dense.scores, candidate.scores, limits.name)
