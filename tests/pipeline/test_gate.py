"""The gate, with sessions that are written down: what leaves, and what is said of it."""

import hashlib
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace

import pytest

from pipeline import gate
from pipeline.assemble import _gated
from pipeline.console import Console
from pipeline.report.gate import gate_row
from pipeline.results import Judged, Made, Results
from pipeline.workspace import Workspace
from targets.artifact import Artifact
from targets.budget import Line, Verdict
from targets.comparison import Session
from targets.measurement import Measurement, ProcessSamples, TimingRule
from targets.trial import Trial

RUNTIME = "onnxruntime"
STEADY = ProcessSamples((1_000_000,) * 100, 5, 5, 100, 100, 30)


def artifact(name):
    sha256 = hashlib.sha256(name.encode()).hexdigest()
    return Artifact(Path(f"{name}.onnx"), "onnx", sha256, 1000, (), ())


def made(name, of=None):
    seen = {RUNTIME: SimpleNamespace(artifact=artifact(of or name))}
    return Made(name, Path(name), None, seen, {})


def judged(one, status, bound=0.5):
    line = Line("size_kb", 1.0, bound, bound, status, "", "1")
    return Judged(one, {RUNTIME: Trial(None, None, Verdict(status, (line,)), ())})


def measurement(name, ms, drift=0.0):
    ns = int(ms * 1e6)
    latency = (ns,) * 50 + (int(ns * (1 + drift)),) * 50
    processes = (replace(STEADY, latency_ns=latency),) * 8
    return Measurement(artifact(name).sha256, RUNTIME, processes, (), "measured-on-device")


class Bench:
    """A desk whose sessions, exports and trials are written down."""

    def __init__(self, workspace, monkeypatch, *, quantized=True):
        self.times = {"dense": 1.0, "float32": 0.8, "final": 0.4}
        self.drift = 0.0
        self.statuses = {"unchanged": "FAIL", "pruned-float32": "FAIL"}
        self.sessions, self.trials = [], []
        self.desk = SimpleNamespace(
            console=Console(quiet=True),
            rule=TimingRule(cool_down_s=0.0),
            workspace=workspace,
            quantize=object() if quantized else None,
            targets={RUNTIME: None},
            device=SimpleNamespace(model_dump=lambda mode: {"name": "scripted"}),
        )
        self.final = made("pruned-int8" if quantized else "pruned")
        self.own = "pruned-float32"
        exported = SimpleNamespace(failures={}, files={RUNTIME: Path("own.onnx")})
        self.exported = exported
        monkeypatch.setattr(gate.comparison, "hold", self._hold)
        monkeypatch.setattr(gate.stages, "export", lambda *_: self.exported)
        monkeypatch.setattr(
            gate.evidence, "describe", lambda *_: SimpleNamespace(artifact=artifact(self.own))
        )
        monkeypatch.setattr(gate.making, "make", lambda _, name, *__: made(name, self.own))
        monkeypatch.setattr(gate.making, "judge", self._judge)

    def _hold(self, seats, rule, progress):
        self.sessions.append((tuple(seats), rule))
        fault = ("it drifts",) * 3 if self.drift else ()
        measured = {name: measurement(name, self.times[name], self.drift) for name in seats}
        return Session(measured, fault)

    def _judge(self, desk, dense, one):
        self.trials.append(one.name)
        return judged(one, self.statuses[one.name])

    def hold(self, status="PASS", dense=None, also=(), bound=0.5):
        results = Results(dense or made("dense"), (judged(self.final, status, bound), *also))
        return gate.hold(self.desk, results)


@pytest.fixture
def bench(tmp_path, monkeypatch):
    with Workspace.open(tmp_path / "run", "mine") as workspace:
        yield Bench(workspace, monkeypatch)


def delivered(results):
    return results.selected[RUNTIME].made.name


def test_what_is_faster_than_both_parents_leaves_as_an_improvement(bench):
    results = bench.hold()
    names, rule = bench.sessions[0]
    assert names == ("dense", "float32", "final")
    assert (rule.processes, rule.memory_processes) == (8, 0)
    gated = results.gated[RUNTIME]
    assert gated.improves
    assert gated.against["dense"].latency["p50"].estimate == pytest.approx(0.4)
    assert gated.against["float32"].latency["p50"].estimate == pytest.approx(0.5)
    assert delivered(results) == "pruned-int8"
    assert bench.trials == []
    assert len(results.judged) == 1
    assert gated.lineage("pruned-int8") == ("gate: faster against dense, faster against float32",)


def test_int8_that_is_no_faster_than_its_float32_gives_way_to_it(bench):
    bench.times["final"] = 0.8
    bench.statuses["pruned-float32"] = "PASS"
    results = bench.hold()
    gated = results.gated[RUNTIME]
    assert not gated.improves
    assert delivered(results) == gated.delivered == "pruned-float32"
    assert "not told apart against its own float32 version" in gated.told
    assert "no improvement, so its own float32 version, pruned-float32, is delivered" in gated.told
    assert gated.lineage("pruned-float32") == (
        "gate: leaves instead of pruned-int8, which is no improvement",
    )
    assert gated.lineage("pruned-int8")[0].startswith("gate: no improvement: faster against dense")


def test_what_alone_meets_the_budget_stays_but_is_called_no_improvement(bench):
    bench.times["final"] = 0.8
    results = bench.hold()
    gated = results.gated[RUNTIME]
    assert (delivered(results), gated.improves) == ("pruned-int8", False)
    assert "meets the budget less well (FAIL)" in gated.told
    assert [one.made.name for one in results.judged] == ["pruned-int8", "pruned-float32"]


def test_what_is_slower_than_dense_gives_way_to_it(bench):
    bench.times.update(float32=1.4, final=1.2)
    bench.statuses["unchanged"] = "PASS"
    results = bench.hold()
    assert delivered(results) == "unchanged"
    assert results.gated[RUNTIME].against["dense"].verdict == "slower"
    assert bench.trials == ["unchanged"]


def test_of_two_that_miss_the_budget_the_nearer_leaves(bench):
    bench.times.update(float32=1.4, final=1.2)
    assert delivered(bench.hold(status="FAIL", bound=0.4)) == "pruned-int8"
    assert delivered(bench.hold(status="FAIL", bound=0.6)) == "unchanged"


def test_a_float32_version_that_is_slower_than_dense_never_leaves(bench):
    bench.times.update(float32=1.2, final=1.2)
    bench.statuses["unchanged"] = "PASS"
    assert delivered(bench.hold()) == "unchanged"
    assert bench.trials == ["unchanged"]


def test_a_session_that_drifts_says_nothing_against_the_final_artifact(bench):
    bench.drift = 0.2
    results = bench.hold()
    gated = results.gated[RUNTIME]
    assert (delivered(results), gated.improves) == ("pruned-int8", False)
    assert {one.verdict for one in gated.against.values()} == {"invalid"}
    assert "it is delivered, as no improvement" in gated.told
    row = gate_row(RUNTIME, gated)
    assert row.comparisons[0].verdict == "invalid"
    assert "drifts" in row.comparisons[0].reason


def test_a_candidate_that_the_run_has_already_is_not_measured_again(bench):
    bench.times["final"] = 0.8
    twin = judged(made("unpruned", "pruned-float32"), "PASS", bound=0.9)
    results = bench.hold(also=(twin,))
    assert delivered(results) == "unpruned"
    assert bench.trials == []
    assert len(results.judged) == 2


def test_float32_alone_is_compared_with_dense_alone(tmp_path, monkeypatch):
    with Workspace.open(tmp_path / "run", "mine") as workspace:
        bench = Bench(workspace, monkeypatch, quantized=False)
        results = bench.hold()
    assert bench.sessions[0][0] == ("dense", "final")
    assert results.gated[RUNTIME].improves


def test_quantized_without_pruning_has_one_parent(bench):
    bench.own = "dense"
    assert tuple(bench.hold().gated[RUNTIME].against) == ("dense",)


def test_a_converter_that_refuses_float32_leaves_dense_to_compare_with(bench):
    bench.exported = SimpleNamespace(failures={RUNTIME: "no rule for aten::foo"}, files={})
    assert tuple(bench.hold().gated[RUNTIME].against) == ("dense",)


def test_the_dense_model_itself_is_not_compared(bench):
    bench.final = made("unpruned", "dense")
    bench.desk.quantize = None
    gated = bench.hold().gated[RUNTIME]
    assert (gated.improves, gated.against, bench.sessions) == (False, {}, [])
    assert "is the dense model" in gated.told


def test_a_rule_of_few_rounds_compares_nothing_and_says_so(bench):
    bench.desk.rule = TimingRule.quick()
    gated = bench.hold().gated[RUNTIME]
    assert (gated.improves, bench.sessions) == (False, [])
    assert "2 rounds tell nothing with 95% confidence, 6 would" in gated.told


def test_a_second_run_measures_nothing_again(bench):
    first = bench.hold().gated[RUNTIME]
    assert bench.hold().gated[RUNTIME] == first
    assert len(bench.sessions) == 1


def test_the_report_tells_it_in_numbers_and_in_the_lineage(bench):
    gated = bench.hold().gated[RUNTIME]
    row = gate_row(RUNTIME, gated)
    assert (row.candidate, row.delivered, row.improves) == ("pruned-int8", "pruned-int8", True)
    assert [one.against for one in row.comparisons] == ["dense", "float32"]
    assert row.comparisons[0].ratio["p95"].high == pytest.approx(0.4)
    told = SimpleNamespace(name="pruned-int8", lineage=("dense",))
    told.model_copy = lambda update: update
    assert _gated(told, gated)["lineage"][0] == "dense"
    assert _gated(told, gated)["lineage"][1].startswith("gate: faster")
