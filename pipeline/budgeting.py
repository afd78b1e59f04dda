"""Meeting a budget: the unpruned model weighed, a plan for each runtime (or one for all), and then
one recovery for each plan.

Everything that decides happens before any training; what can't be met is said there.
"""

from collections.abc import Sequence
from dataclasses import dataclass, replace

from pipeline import costing, evidence, stages
from pipeline.desk import Desk
from pipeline.drafting import (
    Drafts,
    Lines,
    Refused,
    goals_of,
    lines_of,
    readings_of,
    unread,
    weigh_all,
)
from pipeline.finishing import finish
from pipeline.landing import Landing, land
from pipeline.recipe import Prune
from pipeline.results import Judged, Made, Results, together
from pipeline.search import Goal, Tried


def meet(
    desk: Desk, dense: Made, settings: Prune, known: Sequence[Landing] = (), prefix: str = ""
) -> Results:
    """Candidates that meet the recipe's limits on cost, where any can.

    Args:
        desk: what the run works with.
        dense: the baseline.
        settings: the prune step, which asks for the budget.
        known: landings for other budgets, whose plans may serve here.
        prefix: what the candidates' names begin with.
    """
    work = _Work(desk, dense, settings, prefix)
    desk.console.step("unpruned: is pruning needed at all?")
    draft = stages.draft(desk, dense.folder, desk.quantize, tuple(dense.seen))
    weighed, refused = weigh_all(desk, dense, draft)
    lines = lines_of(desk, weighed)
    for told in unread(lines):
        desk.console.remark(told)
    judged: list[Judged] = []
    landings: list[Landing] = []
    for runtimes in _together(settings, tuple(lines)):
        start = _Start(work, {runtime: lines[runtime] for runtime in runtimes})
        found = start.unpruned()
        judged += found
        whole = together(found) if found else None
        landing, failures = start.landing(whole, known)
        landings += [landing] if landing else []
        refused |= failures
    judged += work.finished(landings)
    return Results(dense, tuple(judged), tuple(landings), refused=refused)


def _together(settings: Prune, runtimes: tuple[str, ...]) -> list[tuple[str, ...]]:
    """The runtimes that one plan is for."""
    if settings.share:
        return [runtimes] if runtimes else []
    return [(runtime,) for runtime in runtimes]


@dataclass(frozen=True)
class _Work:
    """What every plan of a run is made from."""

    desk: Desk
    dense: Made
    settings: Prune
    prefix: str

    def finished(self, landings: Sequence[Landing]) -> list[Judged]:
        """Every plan carried out, repaired and recovered once, for all runtimes that share it.
        What can't meet its limits is not trained."""
        groups: dict[tuple[str, bool], list[Landing]] = {}
        for one in landings:
            groups.setdefault((one.name, bool(one.unreachable)), []).append(one)
        self._tell_recoveries(sum(not unreachable for _, unreachable in groups))
        return [one for group in groups.values() for one in self._candidates(group)]

    def _tell_recoveries(self, plans: int) -> None:
        if (recover := self.desk.recover) is not None and plans:
            often = f", once for each of {plans} plans (share: true makes one)" * (plans > 1)
            self.desk.console.step(f"to recover: {recover.told}{often}")

    def _candidates(self, group: Sequence[Landing]) -> tuple[Judged, ...]:
        desk, first = self.desk, group[0]
        runtimes = tuple(runtime for one in group for runtime in one.runtimes)
        folder = self.dense.folder
        if first.chosen is not None:
            desk.console.step(f"prune: the plan for {', '.join(runtimes)}")
            folder = stages.carry_out(desk, folder, first.chosen.plan, self.settings.mending)
        for one in group:
            if one.unreachable:
                desk.console.remark(f"not trained: {one.unreachable}")
        if not first.unreachable and (recover := desk.recover) is not None:
            desk.console.step(f"recover: {recover.told}, for {', '.join(runtimes)}")
            folder = stages.recover(desk, folder, recover)
        name = self.prefix + self._name(first, runtimes)
        if first.unreachable:
            least = evidence.UNTRAINED
            return finish(desk, self.dense, name, folder, runtimes, least)
        return finish(desk, self.dense, name, folder, runtimes)

    def _name(self, landing: Landing, runtimes: tuple[str, ...]) -> str:
        kind = "nearest" if landing.unreachable else "planned"
        done = [kind] if landing.chosen else ["unpruned"] * bool(landing.unreachable)
        of = () if len(runtimes) == len(self.dense.seen) else runtimes
        trained = self.desk.recover is not None and not landing.unreachable
        return "-".join([*done, *of, *(["recovered"] if trained else [])])


@dataclass(frozen=True)
class _Start:
    """Some runtimes that get one plan, and what the unpruned model took on each."""

    work: _Work
    lines: Lines

    def unpruned(self) -> tuple[Judged, ...]:
        """The unpruned candidates, where a short sitting sees them within all limits on cost."""
        if not Tried("", 0.0, readings_of(self._goals(), self.lines)).meets:
            return ()
        work, runtimes = self.work, tuple(self.lines)
        work.desk.console.remark(f"{', '.join(runtimes)}: nothing need be pruned")
        name = f"{work.prefix}unpruned"
        return finish(work.desk, work.dense, name, work.dense.folder, runtimes)

    def landing(
        self, whole: Judged | None, known: Sequence[Landing]
    ) -> tuple[Landing | None, dict[str, str]]:
        """The way to a plan, or to none, where the unpruned candidate is not all there is; and the
        runtimes that could not take a plan, without which the others go on."""
        refused: dict[str, str] = {}
        while left := {name: own for name, own in self.lines.items() if name not in refused}:
            try:
                return replace(self, lines=left)._way(whole, known), refused
            except Refused as error:
                refused |= error.failures
        return None, refused

    def _way(self, whole: Judged | None, known: Sequence[Landing]) -> Landing | None:
        if whole is None:
            return self._landed(self.lines, known)
        if whole.costs_too_much():  # the full sitting knows better
            lines = {
                runtime: {line.limit: line for line in one.verdict.lines}
                for runtime, one in whole.trials.items()
                if runtime in self.lines
            }
            return self._landed(lines, known)
        trained = whole.loses_too_much() and self.work.desk.recover is not None
        return Landing(tuple(self.lines), (), (), None) if trained else None

    def _landed(self, lines: Lines, known: Sequence[Landing]) -> Landing:
        work = self.work
        whole = {one.goal: one.observed for one in readings_of(self._goals(), lines)}
        charged = costing.learn(work.desk, work.dense, work.settings, whole)
        drafts = Drafts(work.desk, work.dense, work.settings, charged)
        seen = readings_of(drafts.goals, lines, charged.predicted({}))
        tell = work.desk.console.remark
        found = land(drafts, drafts.goals, Tried("", 0.0, seen), tell, known)
        found = replace(found, runtimes=tuple(self.lines))  # also those that nothing limits
        missed = [
            one.goal.name
            for one in readings_of(self._goals(), lines)
            if one.goal not in drafts.goals and not one.meets
        ]
        if found.chosen is None and missed:
            why = f"{', '.join(missed)}: over the limit, and nothing can be planned by it"
            return replace(found, unreachable=why)
        return found

    def _goals(self) -> tuple[Goal, ...]:
        return goals_of(self.lines)
