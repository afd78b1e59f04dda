"""Climbing the quantization ladder: rung by rung, each made, scored and measured as an artifact.

Every rung is made of steps of the workspace, so that who goes on with a run makes none twice, and
leaves a step of its own with the time that it took, by which the recipe's minutes are counted.
"""

import json
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path

from pipeline import evaluate, evidence, making, placing, quantizing, sittings, undoing
from pipeline.desk import Desk
from pipeline.evidence import Least, Seen
from pipeline.ladder import (
    Method,
    Outcome,
    Rung,
    best,
    by_worth,
    missed,
    next_rung,
)
from pipeline.placing import Placement
from pipeline.recipe import Quantize
from pipeline.results import Judged, Made
from pipeline.workspace import atomic_write
from targets.errors import ConversionError, TaskError
from targets.measurement import median
from targets.trial import CANDIDATE

TRAINING_SHARE = 0.5
"""Of the recipe's minutes, what training gets at most: the rest is for what leads to it, and for
measuring it."""
LEAST_TRAINING_MINUTES = 0.2
LEAST_COST = 0.01
"""Of the int8 latency: what turns can't tell from nothing."""


def climb(
    desk: Desk,
    dense: Made,
    name: str,
    folder: Path,
    runtimes: Sequence[str],
    least: Least = evidence.TRAINED,
) -> tuple[Judged, ...]:
    """A shaped model's candidates, one for each runtime: of the first rung that holds the limits
    there, else of the best so far.

    Args:
        desk: what the run works with.
        dense: the baseline.
        name: what was done to the model so far.
        folder: the shaped candidate.
        runtimes: those that it is made for.
        least: how faithful to the quantized torch graph an artifact has to be.

    A runtime that no rung led to an artifact for has no trial, and the reasons among the failures.
    """
    settings = desk.quantize
    assert settings is not None, "a ladder is a quantize step's"
    ladder = _Ladder(desk, dense, name, folder, least, settings)
    below = there = [runtime for runtime in runtimes if runtime in dense.seen]
    while below:  # a rung at a time, so that no runtime spends the time of all
        below = [runtime for runtime in below if ladder.up(runtime)]
    return tuple(ladder.judged(runtime) for runtime in there)


@dataclass
class _Ladder:
    """One model's ladder, and how far each runtime has climbed."""

    desk: Desk
    dense: Made
    name: str
    folder: Path
    least: Least
    settings: Quantize
    outcomes: dict[str, list[Outcome]] = field(default_factory=dict)
    made: dict[tuple[str, str], Made] = field(default_factory=dict)
    placements: dict[str, Placement] = field(default_factory=dict)
    trained: Path | None = None
    untrained: str = ""
    spent_s: float = 0.0

    def up(self, runtime: str) -> bool:
        """Tries the next rung for one runtime; false where there is none, or no time."""
        tried = self.outcomes.setdefault(runtime, [])
        rung = next_rung(tried, self.settings.range)
        if rung is None:
            return False
        if tried and self._is_late():
            told = f"{self.spent_s / 60:.1f} of {self.settings.minutes:g} minutes are spent"
            self.desk.console.remark(f"{runtime}: {told}; the best so far stays")
            return False
        tried.append(self._tried(runtime, rung))
        self.desk.console.remark(f"{runtime}: {told_of(tried[-1])}")
        return True

    def judged(self, runtime: str) -> Judged:
        """The runtime's candidate, measured by the full rule; of further rungs too, where that
        finds dearer than the limits what had seemed within them."""
        outcomes = self.outcomes[runtime]
        chosen = best(outcomes)
        if chosen is None:
            whys = dict.fromkeys(one.reason for one in outcomes)
            failures = {runtime: f"no rung led to an artifact: {'; '.join(whys)}"}
            return Judged(replace(self.dense, name=self.name, seen={}, failures=failures), {})
        judged = making.judge(self.desk, self.dense, self.made[runtime, chosen.rung.name])
        verdict = judged.trials[runtime].verdict
        weighed = replace(chosen, missed=missed(verdict.lines))
        if chosen.settles and not weighed.settles:
            outcomes[outcomes.index(chosen)] = weighed
            while self.up(runtime):
                pass
            return self.judged(runtime)
        latency = median(judged.trials[runtime].candidate.latency_ms(0.5))
        final = replace(weighed, latency_ms=latency, status=verdict.status)
        rows = tuple(final if one is chosen else one for one in outcomes)
        placed = self.placements.get(runtime, Placement(()))
        return replace(judged, climbed={runtime: rows}, placed={runtime: placed.told})

    # ---------------------------------------------------------------- time
    def _is_late(self) -> bool:
        minutes = self.settings.minutes
        return minutes is not None and self.spent_s >= 60 * minutes

    def _training_minutes(self) -> float | None:
        """What training may take of the recipe's minutes; None where epochs say so."""
        if self.settings.minutes is None or self.settings.epochs is not None:
            return None
        left = self.settings.minutes - self.spent_s / 60
        share = min(TRAINING_SHARE * self.settings.minutes, left)
        return max(LEAST_TRAINING_MINUTES, round(share, 2))

    # ---------------------------------------------------------------- a rung
    def _tried(self, runtime: str, rung: Rung) -> Outcome:
        began = time.monotonic()
        self.desk.console.step(f"ladder: {rung.name} on {runtime}: {rung.told}")
        outcome = self._outcome(runtime, rung)

        def work(into: Path) -> None:
            seconds = time.monotonic() - began
            atomic_write(into / "rung.json", json.dumps({"seconds": seconds}) + "\n")

        inputs = {
            "parent": self.folder.name,
            "rung": [runtime, rung.name, rung.method.told],
            "settings": self.settings.model_dump(mode="json", exclude={"minutes"}),
        }
        step = self.desk.workspace.step("rung", inputs, work)
        self.spent_s += json.loads((step / "rung.json").read_text())["seconds"]
        return outcome

    def _outcome(self, runtime: str, rung: Rung) -> Outcome:
        try:
            folder = self._made_for(runtime, rung)
        except ConversionError as error:
            return Outcome(rung, reason=str(error))
        except TaskError as error:
            if rung.kind != "qat":
                raise  # the data of every rung, but training asks for more than they do
            return Outcome(rung, reason=str(error))
        name = "-".join(part for part in (self.name, rung.name, "int8") if part)
        made = making.make(self.desk, name, folder, self.settings, (runtime,), self.least)
        if runtime not in made.seen:
            return Outcome(rung, reason=made.failures[runtime])
        self.made[runtime, rung.name] = made
        return self._scored(rung, made.seen[runtime])

    def _made_for(self, runtime: str, rung: Rung) -> Path:
        """The rung's candidate with its plan, as the runtime takes it."""
        ways: dict[str, Callable[[str, Rung], Path]] = {"regions": self._freed, "qat": self._taught}
        folder = ways.get(rung.kind, self._planned)(runtime, rung)
        return placing.applied(self.desk, folder, self._placement(runtime))

    def _planned(self, runtime: str, rung: Rung) -> Path:
        return self._plan(rung.method)

    def _plan(self, method: Method) -> Path:
        keeps = quantizing.excluded(self.desk, self.folder, self.settings)
        return quantizing.plan(self.desk, self.folder, method, keeps)

    def _freed(self, runtime: str, rung: Rung) -> Path:
        """With the regions in float that regain most per millisecond."""
        base = placing.applied(self.desk, self._plan(rung.method), self._placement(runtime))
        found = placing.priced(self.desk, base, self.settings, runtime)
        latency = self.outcomes[runtime][0].latency_ms or 0.0
        chosen = by_worth(found, LEAST_COST * latency)[: rung.count]
        if not chosen:
            raise ConversionError("no region regains anything in float")
        named = ", ".join(f"{one.name} ({one.gain_db:+.1f} dB, {one.cost_ms:+.3f} ms)"
                          for one in chosen)  # fmt: skip
        self.desk.console.remark(f"{runtime}: in float: {named}")
        nodes = tuple(dict.fromkeys(node for one in chosen for node in one.nodes))
        return quantizing.keep(self.desk, base, nodes)

    def _taught(self, runtime: str, rung: Rung) -> Path:
        """Trained once for all runtimes, each of which then keeps its own operators float."""
        if self.trained is None and not self.untrained:
            self._train(rung)
        if self.trained is None:
            raise TaskError(self.untrained)
        return self.trained

    def _train(self, rung: Rung) -> None:
        """Trains, or leaves why not: what failed for one runtime fails for all."""
        training = self.settings.training(self._training_minutes())
        if self.desk.task.loss is None and not training.learns_from_teacher_alone:
            self.untrained = (
                "not trained, since the task has no loss: define loss(outputs, target), or learn "
                "from the dense model alone (distill: {weight: 1})"
            )
            return
        try:
            self.trained = quantizing.train(self.desk, self._plan(rung.method), training)
        except TaskError as error:
            self.untrained = str(error)

    def _placement(self, runtime: str) -> Placement:
        if runtime not in self.placements:
            folder = self._plan(Method(self.settings.range))
            found = placing.place(self.desk, folder, self.settings, runtime)
            self.placements[runtime] = undoing.with_excluded(
                self.desk, self.folder, self.settings, runtime, found
            )
        return self.placements[runtime]

    # ---------------------------------------------------------------- figures
    def _scored(self, rung: Rung, seen: Seen) -> Outcome:
        runtime = seen.artifact.runtime
        dense = self.dense.seen[runtime]
        weighed = sittings.weigh(self.desk, dense.artifact, seen.artifact)
        limits = self.desk.loaded.recipe.budget.metric
        latency = median(weighed.measured[CANDIDATE].latency_ms(0.5))
        if limits is None:  # nothing that a further rung could mend
            return Outcome(rung, latency_ms=latency, shortfall=-float("inf"))
        return Outcome(
            rung,
            metric=seen.scores.metrics[limits.name],
            drop=evaluate.drop(dense.scores, seen.scores, limits.name),
            class_drop=evaluate.worst_class_drop(dense.scores, seen.scores),
            latency_ms=latency,
            shortfall=evaluate.shortfall(dense.scores, seen.scores, limits),
            missed=missed(weighed.lines(self.desk.loaded.recipe.budget).values()),
        )


def told_of(outcome: Outcome) -> str:
    """A rung's figures in a line."""
    if outcome.reason:
        return f"{outcome.rung.name}: {outcome.reason}"
    parts = [f"{outcome.rung.name}:"]
    if outcome.drop is not None:
        parts.append(f"drop {outcome.drop:+.4f}")
    if outcome.class_drop is not None:
        parts.append(f"worst class {outcome.class_drop:+.4f}")
    parts.append(f"{outcome.latency_ms:.3f} ms")
    return " ".join([*parts, f"({_judged(outcome)})"])


def _judged(outcome: Outcome) -> str:
    beyond = [] if outcome.keeps_metric else ["the metric"]
    beyond += [f"{one.limit} of {one.budget:.4g}" for one in outcome.missed]
    return f"beyond the limits: {', '.join(beyond)}" if beyond else "within the limits"
