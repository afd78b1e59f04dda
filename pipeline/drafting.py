"""Drafts of plans: made for a run's limits, exported as they would be deployed, weighed untrained.

The bench of a landing (pipeline/landing.py) in the real world. Every plan and every weighing is a
step of the workspace.
"""

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from pathlib import Path

from pipeline import costing, evidence, sittings, stages
from pipeline.costing import Costing
from pipeline.desk import Desk
from pipeline.landing import Planned
from pipeline.prune import PrunePlan
from pipeline.recipe import Prune
from pipeline.results import Made
from pipeline.search import Goal, Reading
from pipeline.sittings import Weighing
from pipeline.stages import Exported
from pipeline.workspace import atomic_write
from targets.budget import Line
from targets.errors import ConversionError

Lines = Mapping[str, Mapping[str, Line]]
"""Judged limits by runtime and by name."""


class Refused(ConversionError):
    """Runtimes that can't take a draft, and why."""

    def __init__(self, failures: Mapping[str, str]) -> None:
        """By runtime."""
        super().__init__("; ".join(failures.values()))
        self.failures = dict(failures)


def goals_of(lines: Lines) -> tuple[Goal, ...]:
    """The limits that were observed, as numbers. A relative one takes the sitting's dense model."""
    return tuple(
        Goal(runtime, line.limit, line.budget)
        for runtime, own in lines.items()
        for line in own.values()
        if line.budget and line.observed is not None
    )


def unread(lines: Lines) -> list[str]:
    """Limits that nothing can be planned by, and why."""
    return [
        f"{line.limit} on {runtime}: {line.reason}; nothing is planned by it"
        for runtime, own in lines.items()
        for line in own.values()
        if not line.budget or line.observed is None
    ]


def readings_of(
    goals: Iterable[Goal], lines: Lines, predicted: Mapping[Goal, float] | None = None
) -> tuple[Reading, ...]:
    """What a sitting found of each goal, beside what was predicted (else, beside itself).

    A relative limit is another number in every sitting; what was observed is given at the number
    that the goal has.
    """
    found = []
    for goal in goals:
        line = lines[goal.runtime].get(goal.limit)
        if line is None or line.observed is None or line.bound is None or not line.budget:
            continue
        scale = goal.budget / line.budget
        observed, bound = line.observed * scale, line.bound * scale
        told = predicted.get(goal, observed) if predicted else observed
        found.append(Reading(goal, told, observed, bound))
    return tuple(found)


@dataclass(frozen=True)
class Drafts:
    """Plans for some runtimes, drafted and weighed.

    Attributes:
        desk: what the run works with.
        dense: the baseline.
        settings: the prune step.
        costing: what plans are charged, and by what.
    """

    desk: Desk
    dense: Made
    settings: Prune
    costing: Costing

    @property
    def goals(self) -> tuple[Goal, ...]:
        """The limits that plans are charged for."""
        return tuple(self.costing.charges)

    def plan(self, most: Mapping[Goal, float]) -> Planned:
        """The plan of least divergence within these charges, or the nearest to them; a step."""

        def work(folder: Path) -> None:
            planned = costing.plan(self.desk, self.settings, self.costing, most)
            document = {
                "plan": planned.plan.model_dump(mode="json"),
                "divergence": planned.divergence,
                "predicted": [planned.predicted[goal] for goal in self.goals],
                "unreachable": planned.unreachable,
            }
            atomic_write(folder / "planned.json", json.dumps(document) + "\n")

        inputs = {
            "parent": self.dense.folder.name,
            "settings": self.settings.model_dump(mode="json"),
            "costing": list(self.costing.steps),
            "most": [[goal.runtime, goal.limit, value] for goal, value in most.items()],
        }
        folder = self.desk.workspace.step("plan", inputs, work)
        found = json.loads((folder / "planned.json").read_text())
        predicted = dict(zip(self.goals, found["predicted"], strict=True))
        plan = PrunePlan.model_validate_json(json.dumps(found["plan"]))
        return Planned(plan, found["divergence"], predicted, found["unreachable"])

    def weigh(self, planned: Planned) -> tuple[Reading, ...]:
        """The plan carried out unrepaired, really quantized, and measured beside dense."""
        desk, runtimes = self.desk, self._runtimes()
        desk.console.step(f"{', '.join(runtimes)}: measuring a plan before any recovery")
        folder = stages.carry_out(desk, self.dense.folder, planned.plan, "none")
        exported = stages.draft(desk, folder, desk.quantize, runtimes)
        weighed, failures = weigh_all(desk, self.dense, exported)
        if failures:
            raise Refused(failures)
        return readings_of(self.goals, lines_of(desk, weighed), planned.predicted)

    def _runtimes(self) -> tuple[str, ...]:
        return tuple(dict.fromkeys(goal.runtime for goal in self.goals))


def weigh_all(
    desk: Desk, dense: Made, exported: Exported
) -> tuple[dict[str, Weighing], dict[str, str]]:
    """Drafts measured beside dense in one short sitting each, by runtime; and why others weren't:
    a converter or a runtime that can't take the model."""
    found: dict[str, Weighing] = {}
    failures = dict(exported.failures)
    for runtime, path in exported.files.items():
        try:
            artifact = evidence.describe(desk, runtime, path).artifact
            found[runtime] = sittings.weigh(desk, dense.seen[runtime].artifact, artifact)
        except ConversionError as error:
            failures[runtime] = str(error)
    return found, failures


def lines_of(desk: Desk, weighed: Mapping[str, Weighing]) -> dict[str, dict[str, Line]]:
    """The recipe's limits on cost as these sittings judge them."""
    budget = desk.loaded.recipe.budget
    return {runtime: one.lines(budget) for runtime, one in weighed.items()}
