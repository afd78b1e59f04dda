"""Meeting a budget in a made-up house: tables, machines and judging are invented."""

from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from itertools import product
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest

from pipeline import budgeting, stages, sweep
from pipeline.drafting import Refused
from pipeline.landing import Planned
from pipeline.prune import GroupPlan, PrunePlan
from pipeline.prune.limits import Charge, Legal, Term
from pipeline.prune.settings import Settings
from pipeline.recipe import Prune, Recover
from pipeline.results import Judged, Made
from pipeline.sweep import Sweep
from targets.budget import Budget, Line, Verdict

LEGAL = Legal({"a": (8, 16, 24, 32), "b": (16, 32, 48, 64)})
WHOLE = {"a": 32, "b": 64}
SHARES = {"tflite": (0.6, 0.3), "openvino": (0.1, 0.8), "onnxruntime": (0.6, 0.3)}
"""What a table says of each runtime: of a whole model's 1 ms, what each group takes."""


@dataclass
class House:
    """Stands where stages, sittings and tables do, and notes what is done."""

    budget: Budget
    trained: bool = True
    slower: Mapping[str, float] = field(default_factory=dict)
    refuses: tuple[str, ...] = ()
    remarks: list[str] = field(default_factory=list)
    done: list[str] = field(default_factory=list)

    @property
    def recover(self):
        return Recover(epochs=2) if self.trained else None

    quantize = None
    targets = dict.fromkeys(SHARES)

    @property
    def console(self):
        return SimpleNamespace(remark=self.remarks.append, step=self.remarks.append)

    @property
    def loaded(self):
        return SimpleNamespace(recipe=SimpleNamespace(budget=self.budget))

    def table(self, runtime: str) -> Charge:
        terms = tuple(
            Term((name,), share * np.array(widths) / widths[-1])
            for (name, widths), share in zip(LEGAL.widths.items(), SHARES[runtime], strict=True)
        )
        return Charge("latency_ms.p50", 0.0, 0.1, terms)

    def takes(self, runtime: str, widths: Mapping[str, int]) -> float:
        return self.slower.get(runtime, 1.0) * self.table(runtime).of(LEGAL, widths)

    def lines(self, runtime: str, widths: Mapping[str, int]) -> dict[str, Line]:
        budget = self.budget.latency_ms.p50
        value = self.takes(runtime, widths)
        status = "PASS" if value <= budget else "FAIL"
        name = "latency_ms.p50"
        return {name: Line(name, budget, value, value, status, "", f"{budget}")}


@dataclass(frozen=True)
class Drafts:
    """In the place of pipeline.drafting.Drafts: plans by trying all, measures as the house says."""

    house: House
    dense: Made
    settings: Prune
    goals: tuple

    def plan(self, most):
        ways = [dict(zip(WHOLE, one, strict=True)) for one in product(*LEGAL.widths.values())]

        def cost(goal, way):
            return self.house.table(goal.runtime).of(LEGAL, way)

        def over(way):
            return max(cost(goal, way) / value for goal, value in most.items())

        def loss(way):
            return sum((1 - way[name] / size) ** 2 for name, size in WHOLE.items())

        within = [way for way in ways if over(way) <= 1]
        way = min(within, key=loss) if within else min(ways, key=over)
        predicted = {goal: cost(goal, way) for goal in self.goals}
        told = "" if within else f"{next(iter(most)).name} can't be reached"
        return Planned(plan_of(way), loss(way), predicted, told)

    def weigh(self, planned):
        way = {one.name: one.kept for one in planned.plan.groups}
        runtimes = tuple(dict.fromkeys(goal.runtime for goal in self.goals))
        self.house.done.append(f"weighed on {', '.join(runtimes)}")
        if refused := [one for one in runtimes if one in self.house.refuses]:
            raise Refused({one: f"{one} can't take it" for one in refused})
        lines = {runtime: self.house.lines(runtime, way) for runtime in runtimes}
        return budgeting.readings_of(self.goals, lines, planned.predicted)


def plan_of(widths: Mapping[str, int]) -> PrunePlan:
    groups = tuple(
        GroupPlan(name=name, size=size, removed=tuple(range(widths[name], size)), parameters=())
        for name, size in WHOLE.items()
    )
    return PrunePlan(
        settings=Settings(ratio=0.0), groups=groups, pinned=(),
        macs_dense=1, macs_kept=1, parameters_dense=1, parameters_kept=1, macs_pinned=0,
    )  # fmt: skip


def trial(desk, runtime, way):
    lines = tuple(desk.lines(runtime, way).values())
    return SimpleNamespace(verdict=Verdict(lines[0].status, lines))


@pytest.fixture
def house(monkeypatch):
    """A house in whose place nothing is exported, measured or trained."""
    widths: dict[str, Mapping[str, int]] = {"dense": WHOLE}
    built = House(Budget.model_validate({"latency_ms": {"p50": 0.5}}))

    def draft(desk, parent, settings, runtimes):
        return SimpleNamespace(files=dict.fromkeys(runtimes, parent), failures={})

    def lines_of(desk, files):
        return {runtime: desk.lines(runtime, WHOLE) for runtime in files}

    def learn(desk, dense, settings, whole):
        return SimpleNamespace(goals=tuple(whole), predicted=lambda _: dict(predicted(whole)))

    def predicted(whole):
        return {goal: built.table(goal.runtime).of(LEGAL, WHOLE) for goal in whole}

    def carry_out(desk, parent, plan, mending):
        name = "-".join(str(one.kept) for one in plan.groups)
        widths[name] = {one.name: one.kept for one in plan.groups}
        return Path(name)

    def recover(desk, parent, settings):
        built.done.append(f"trained {parent}")
        return parent

    def finish(desk, dense, name, folder, runtimes, least=0.99):
        built.done.append(f"judged {name} on {', '.join(runtimes)}")
        made = Made(name, folder, None, dict.fromkeys(runtimes), {})
        trials = {one: trial(desk, one, widths[folder.name]) for one in runtimes}
        return (Judged(made, trials),)

    monkeypatch.setattr(stages, "draft", draft)
    monkeypatch.setattr(stages, "carry_out", carry_out)
    monkeypatch.setattr(stages, "recover", recover)
    monkeypatch.setattr(budgeting, "finish", finish)
    monkeypatch.setattr(budgeting, "weigh_all", lambda desk, dense, draft: (draft.files, {}))
    monkeypatch.setattr(budgeting, "lines_of", lines_of)
    monkeypatch.setattr(budgeting.costing, "learn", learn)
    monkeypatch.setattr(
        sweep, "_at", lambda desk, points, value:
        replace(desk, budget=desk.budget.with_limits({points.limit: value}))
    )  # fmt: skip
    monkeypatch.setattr(
        budgeting,
        "Drafts",
        lambda desk, dense, settings, one: Drafts(desk, dense, settings, one.goals),
    )
    return built


DENSE = Made("dense", Path("dense"), None, dict.fromkeys(SHARES), {})


def meet(house: House, **settings):
    return budgeting.meet(house, DENSE, Prune(to="budget", **settings))


def swept(house: House, text: str):
    return sweep.run(house, DENSE, Prune(to="budget"), Sweep.read(text))


def test_each_runtime_gets_its_own_plan_and_equal_plans_are_trained_once(house):
    found = meet(house)
    assert found.status == "PASS"
    assert set(found.selected) == set(SHARES)
    trained = [one for one in house.done if one.startswith("trained")]
    assert len(trained) == len(set(trained)) == 2, "tflite and onnxruntime have one table"
    assert found.selected["tflite"] is found.selected["onnxruntime"]
    assert found.selected["tflite"] is not found.selected["openvino"]
    assert any("once for each of 2 plans" in told for told in house.remarks)


def test_one_plan_for_all_is_trained_once(house):
    found = meet(house, share=True)
    assert sum(one.startswith("trained") for one in house.done) == 1
    assert len(found.landings) == 1
    assert len({id(one) for one in found.selected.values()}) == 1
    assert found.status == "PASS"


def test_everything_is_decided_before_anything_is_trained(house):
    meet(house)
    first = next(index for index, one in enumerate(house.done) if one.startswith("trained"))
    assert all("weighed" not in one for one in house.done[first:])


def test_what_can_not_be_met_is_kept_as_the_nearest_and_not_trained(house):
    house.budget = Budget.model_validate({"latency_ms": {"p50": 0.00001}})
    found = meet(house)
    assert not any(one.startswith("trained") for one in house.done)
    assert found.status == "FAIL"
    assert {one.made.name for one in found.judged} == {"nearest"}
    assert all("can't be reached" in one.unreachable for one in found.landings)
    assert {one.made.folder.name for one in found.judged} == {"8-16"}


def test_a_runtime_that_can_not_be_met_keeps_no_other_from_its_plan(house):
    house.slower = {"openvino": 100.0}
    found = meet(house)
    statuses = {name: one.trials[name].verdict.status for name, one in found.selected.items()}
    assert statuses == {"tflite": "PASS", "onnxruntime": "PASS", "openvino": "FAIL"}
    assert sum(one.startswith("trained") for one in house.done) == 1


def test_an_unpruned_model_that_meets_is_all_there_is(house):
    house.budget = Budget.model_validate({"latency_ms": {"p50": 2.0}})
    found = meet(house)
    assert [one.made.name for one in found.judged] == ["unpruned"] * 3
    assert found.landings == ()
    assert not any(one.startswith("trained") for one in house.done)


def test_a_runtime_whose_converter_refuses_is_told(house):
    house.refuses = ("openvino",)
    found = meet(house)
    assert set(found.selected) == {"tflite", "onnxruntime"}
    assert found.failures() == {"openvino": "openvino can't take it"}


def test_one_plan_for_all_goes_on_without_a_runtime_that_refuses_it(house):
    house.refuses = ("openvino",)
    found = meet(house, share=True)
    assert set(found.selected) == {"tflite", "onnxruntime"}
    assert found.failures() == {"openvino": "openvino can't take it"}
    assert len(found.landings) == 1


def test_without_a_recover_step_nothing_is_trained(house):
    house.trained = False
    assert meet(house).status == "PASS"
    assert not any(one.startswith("trained") for one in house.done)


def test_a_sweep_is_a_candidate_for_each_point_and_runtime(house):
    found = swept(house, "latency_ms.p50=0.4..0.94:4")
    assert [point.stated for point in found.points] == ["0.94", "0.76", "0.58", "0.4"]
    names = [one.made.name for one in found.judged]
    assert len(names) == len(set(names))
    for point in found.points:
        assert set(point.selected) == set(SHARES)
        for runtime, one in point.selected.items():
            assert one.trials[runtime].verdict.status == "PASS"
            assert one.trials[runtime].verdict.lines[0].observed <= float(point.stated)
    trained = [one for one in house.done if one.startswith("trained")]
    assert len(trained) <= 2 * len(found.points), "equal plans are trained once"


def test_a_sweep_delivers_the_tightest_that_holds(house):
    found = swept(house, "latency_ms.p50=0.01..0.9:3")
    assert found.points[-1].selected["tflite"].trials["tflite"].verdict.status == "FAIL"
    for runtime, one in found.selected.items():
        assert one is found.points[1].selected[runtime]
    assert found.status == "PASS"


def test_a_sweep_out_of_reach_delivers_the_nearest(house):
    house.slower = dict.fromkeys(SHARES, 100.0)
    found = swept(house, "latency_ms.p50=0.1..0.9:3")
    assert found.status == "FAIL"
    assert set(found.selected) == set(SHARES)
    assert not any(one.startswith("trained") for one in house.done)


def test_a_limit_that_nothing_can_be_planned_by_is_told_and_nothing_is_trained(house, monkeypatch):
    def learn(desk, dense, settings, whole):
        return SimpleNamespace(goals=(), predicted=lambda _: {})

    monkeypatch.setattr(budgeting.costing, "learn", learn)
    found = meet(house)
    assert not any(one.startswith("trained") for one in house.done)
    assert {one.made.name for one in found.judged} == {"unpruned"}
    assert all("nothing can be planned by it" in one.unreachable for one in found.landings)
    assert found.status == "FAIL"
