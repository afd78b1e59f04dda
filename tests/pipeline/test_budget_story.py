"""A budget end to end on this machine: probed, planned, weighed, recovered once, judged; met, or
told why not. And killed again and again, a run delivers what it would have undisturbed.

The net and the time rules are as small as can be. No test depends on what anything takes: where
bytes are compared the limit is on size, and all runs go by one table of costs.
"""

import dataclasses
import os
import signal
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from pipeline import doors, sittings, tables
from pipeline.console import Console
from pipeline.cost import building
from pipeline.delivery import deliver
from pipeline.doors import Order, desk_for
from pipeline.report import storage
from pipeline.run import execute
from targets.measurement import TimingRule

pytestmark = pytest.mark.slow
ROOT = Path(__file__).parents[2]
TASK = """\
import torch
from torch import nn

metrics = ["accuracy"]


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 2, 1)
        self.one, self.two = nn.Conv2d(16, 32, 3, 1, 1), nn.Conv2d(32, 16, 3, 1, 1)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.stem(x).relu()
        x = (x + self.two(self.one(x).relu())).relu()
        return self.head(x.mean((2, 3)))


def build():
    torch.manual_seed(0)
    return Net()


def example_inputs():
    return (torch.zeros(1, 3, 16, 16),)


def batches(split):
    draw = torch.Generator().manual_seed(len(split))
    for _ in range(4):
        yield (torch.randn(16, 3, 16, 16, generator=draw),), torch.arange(16) % 4


def loss(outputs, target):
    return nn.functional.cross_entropy(outputs, target)
"""
RECIPE = """\
version: 1
runtimes: [onnxruntime]
budget: {size_kb: 55% of dense}
steps:
  - prune: {to: budget}
  - recover: {epochs: 2, distill: {temperature: 4, weight: 0.9}}
"""
# Runs the recipe by short rules, and dies at the moment that it is told, as if it were pulled out.
DRIVER = """\
import os, signal, sys
from pipeline import doors, sittings, tables
from pipeline.cost import building
from pipeline.cost.journal import Journal
from pipeline.recover.checkpoint import Checkpoint
from targets.measurement import TimingRule

MOMENTS = {
    "probing": (Journal, "note", 4),
    "measuring": (sittings.trials, "sitting", 1),
    "recovery": (Checkpoint, "save", 1),
}

def deadly(owner, name, count):
    true, calls = getattr(owner, name), []
    def call(*args, **named):
        found = true(*args, **named)
        calls.append(name)
        if len(calls) == count:
            os.kill(os.getpid(), signal.SIGKILL)
        return found
    setattr(owner, name, call)

recipe, out, moment = sys.argv[1:]
tables.MINUTES, building.BATCH, building.PROCESSES = 0.01, 3, 1
sittings.SHORT = TimingRule.quick()
doors.TimingRule = TimingRule.quick
if moment:
    deadly(*MOMENTS[moment])
print(doors.optimize(recipe, out=out).verdict)
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A recipe, and a cache for its table that all runs share."""
    folder = tmp_path_factory.mktemp("home")
    (folder / "task.py").write_text(TASK)
    (folder / "recipe.yaml").write_text(RECIPE)
    return folder


def start(home: Path, out: Path, moment: str = "") -> subprocess.CompletedProcess[str]:
    """The recipe in a process of its own."""
    return subprocess.run(
        [sys.executable, "-c", DRIVER, str(home), str(out), moment],
        cwd=ROOT,
        env={**os.environ, "XDG_CACHE_HOME": str(home / "cache")},
        capture_output=True,
        text=True,
        check=False,
    )


def artifacts(out: Path) -> Mapping[str, bytes]:
    """What was delivered, byte by byte."""
    found = sorted(path for path in (out / "artifacts").rglob("*") if path.is_file())
    return {str(path.relative_to(out)): path.read_bytes() for path in found}


def test_killed_at_every_stage_it_delivers_what_it_would_have_undisturbed(home, tmp_path) -> None:
    killed, whole = tmp_path / "killed", tmp_path / "whole"
    for moment in ("probing", "measuring", "recovery"):
        done = start(home, killed, moment)
        assert done.returncode == -signal.SIGKILL, f"{moment}: {done.stderr}"
        assert not (killed / "report.json").exists()
    for out in (killed, whole):
        done = start(home, out)
        assert (done.returncode, done.stdout) == (0, "PASS\n"), done.stderr
        assert done.stderr == ""  # neither a warning nor a word: results are all that is asked
    assert artifacts(killed)
    assert artifacts(killed) == artifacts(whole)
    steps = [path.name for path in (whole / "steps").iterdir()]
    assert {"plan", "weigh", "recover", "cost"} <= {name.partition("-")[0] for name in steps}
    assert not list((killed / "begun").iterdir())


@pytest.fixture
def hurried(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Short rules, and the cache that the processes of their own have."""
    monkeypatch.setenv("XDG_CACHE_HOME", str(home / "cache"))
    monkeypatch.setattr(tables, "MINUTES", 0.01)
    monkeypatch.setattr(building, "BATCH", 3)
    monkeypatch.setattr(building, "PROCESSES", 1)
    monkeypatch.setattr(sittings, "SHORT", TimingRule.quick())


def run(home: Path, out: Path, budget: str):
    """The recipe to another budget: its report, and the steps made."""
    order = Order(home, out=out, overrides=(budget,))
    with Console(quiet=True) as console, desk_for(order, console) as desk:
        quick = dataclasses.replace(desk, rule=TimingRule.quick())
        return deliver(quick, execute(quick)), list(desk.workspace.made)


@pytest.mark.usefixtures("hurried")
def test_limits_on_time_and_memory_are_met_or_told(home, tmp_path) -> None:
    budget = "budget={latency_ms: {p50: 70% of dense}, peak_memory_mb: 110% of dense}"
    report, made = run(home, tmp_path / "run", budget)
    assert report.verdict in ("PASS", "FAIL", "INCONCLUSIVE", "INVALID")
    (row,) = report.selected().values()
    assert {line.limit for line in row.verdict.lines} == {"latency_ms.p50", "peak_memory_mb"}
    assert all(line.reason for line in row.verdict.lines if line.status != "PASS")
    planned = [one for one in report.search if one.plan]
    assert sum(isinstance(one.limits[0].observed, float) for one in planned) <= 2
    for one in planned:
        assert {limit.limit for limit in one.limits} == {"latency_ms.p50", "peak_memory_mb"}
        assert all(limit.predicted > 0 for limit in one.limits)
    trained = sum(name.startswith("recover") for name in made)
    assert trained == (0 if report.unreachable else 1)
    first = artifacts(tmp_path / "run")
    again, remade = run(home, tmp_path / "run", budget)
    assert remade == []
    assert again == report == storage.read(tmp_path / "run")
    assert artifacts(tmp_path / "run") == first
    assert doors.exit_code(report) == {"PASS": 0, "FAIL": 3}.get(report.verdict, 4)


@pytest.mark.usefixtures("hurried")
def test_what_can_not_be_met_is_delivered_untrained_with_the_reason(home, tmp_path) -> None:
    report, made = run(home, tmp_path / "run", "budget={size_kb: 0.5}")
    assert report.verdict == "FAIL"
    assert "the limit of 0.5 can't be met" in report.unreachable["onnxruntime"]
    assert not any(name.startswith("recover") for name in made)
    assert report.package["onnxruntime"].size_bytes > 0
