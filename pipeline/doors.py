"""The doors: what each command does, from a checked order to what is printed and returned."""

import sys
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, redirect_stdout
from dataclasses import dataclass, field
from pathlib import Path

from pipeline import sweep as sweeps
from pipeline.console import Console
from pipeline.delivery import deliver
from pipeline.desk import Desk
from pipeline.printing import print_json
from pipeline.recipe import LoadedRecipe, read
from pipeline.report import storage
from pipeline.report.document import Report
from pipeline.report.table import table
from pipeline.run import execute
from pipeline.sweep import Sweep
from pipeline.task import load_for
from pipeline.terminal import Terminal
from pipeline.workspace import Workspace
from targets import device as devices
from targets import target as targets
from targets.errors import ConversionError, DeviceUnreachable
from targets.measurement import TimingRule

RUNS = Path("runs")


@dataclass(frozen=True)
class Order:
    """What `run` was asked for.

    Attributes:
        recipe: a recipe's folder or file.
        out: the run folder; None: runs/NAME.
        device: a profile's name instead of the recipe's.
        runtimes: only these; empty: the recipe's.
        overrides: KEY=VALUE each.
        sweep: LIMIT=FROM..TO:COUNT; None: the recipe's own budget.
        rule: how what it makes is measured.
    """

    recipe: Path
    out: Path | None = None
    device: str | None = None
    runtimes: tuple[str, ...] = ()
    overrides: tuple[str, ...] = ()
    sweep: str | None = None
    rule: TimingRule = field(default_factory=TimingRule)

    def loaded(self) -> LoadedRecipe:
        """The recipe with everything that the order overrides."""
        overrides = list(self.overrides)
        if self.device:
            overrides.append(f"device={self.device}")
        if self.runtimes:
            overrides.append(f"runtimes=[{', '.join(self.runtimes)}]")
        return read(self.recipe, overrides)

    def points(self, loaded: LoadedRecipe) -> Sweep | None:
        """The sweep that was asked for. Raises UsageError where it can't be read, or the recipe
        can't be swept."""
        step = loaded.recipe.step("prune")
        points = Sweep.read(self.sweep) if self.sweep is not None else None
        sweeps.check(step.prune if step else None, points)
        return points


@contextmanager
def desk_for(order: Order, console: Console) -> Iterator[Desk]:
    """The desk of an order: recipe and task checked, the run folder locked."""
    loaded = order.loaded()
    profile = devices.load(loaded.recipe.device)
    names: tuple[str, ...] = loaded.recipe.runtimes
    chosen = {name: targets.find(profile, name) for name in names}
    console.step(f"{loaded.name}: checking the task")
    task = load_for(loaded)
    with Workspace.open(order.out or RUNS / loaded.name, loaded.name) as workspace:
        yield Desk(loaded, task, profile, chosen, workspace, console, order.rule)


def make(order: Order, console: Console) -> tuple[Report, Path]:
    """Runs an order; returns the report and the run folder."""
    points = order.points(order.loaded())
    with desk_for(order, console) as desk:
        try:
            report = deliver(desk, execute(desk, points))
        except DeviceUnreachable as error:
            raise DeviceUnreachable(f"{error}; {_kept(desk)}") from error
        _tell_reuse(desk)
        return report, desk.workspace.folder


def _kept(desk: Desk) -> str:
    count = len(desk.workspace.made) + len(desk.workspace.reused)
    return (
        f"{count} finished steps are kept in {desk.workspace.folder}, and the same command goes on "
        "from there"
    )


def _tell_reuse(desk: Desk) -> None:
    made, reused = desk.workspace.made, desk.workspace.reused
    desk.console.step(f"{len(made)} steps made, {len(reused)} reused from {desk.workspace.folder}")
    for name in dict.fromkeys(reused):
        desk.console.remark(f"reused {name}")


def optimize(
    recipe: Path | str,
    *,
    out: Path | str | None = None,
    device: str | None = None,
    runtimes: Sequence[str] = (),
    overrides: Sequence[str] = (),
    sweep: str | None = None,
) -> Report:
    """Runs a recipe, as `edgesmith run` does, and returns its report.

    Args:
        recipe: a recipe's folder or file.
        out: the run folder; None: runs/NAME.
        device: a profile's name instead of the recipe's.
        runtimes: only these; empty: the recipe's.
        overrides: KEY=VALUE each, such as "steps.0.prune.ratio=0.5".
        sweep: values of a limit to run the recipe to, such as "latency_ms.p95=0.2..1.0:5".

    Raises:
        EdgesmithError: a class of it for each kind of failure (targets/errors.py).
    """
    folder = None if out is None else Path(out)
    order = Order(Path(recipe), folder, device, tuple(runtimes), tuple(overrides), sweep)
    with Console(quiet=True) as console:
        return make(order, console)[0]


def run(order: Order, as_json: bool) -> int:
    """`edgesmith run`; returns the exit code."""
    with Console() as console, redirect_stdout(sys.stderr):  # what the task prints is no result
        report, folder = make(order, console)
    if as_json:
        print_json(report.model_dump(mode="json"))
    else:
        _show(report, folder)
    return exit_code(report)


def exit_code(report: Report) -> int:
    """6 where a runtime has no artifact, 3 where a limit was missed, 4 undecided, else 0."""
    if report.failures:
        return ConversionError.exit_code
    return {"PASS": 0, "FAIL": 3}.get(report.verdict, 4)


def _show(report: Report, folder: Path) -> None:
    console = Terminal()
    console.print(table(report))
    for runtime, why in report.unreachable.items():
        console.print(f"{runtime}: {why}")
    for gate in report.gate:
        if not gate.improves:
            console.print(f"{gate.runtime}: {gate.told}")
    console.print(f"verdict: {report.verdict}; the report is {folder / storage.PAGE}")


def dry_run(order: Order, as_json: bool) -> int:
    """`edgesmith run --dry-run`: checks recipe and task, and says what would be done."""
    loaded = order.loaded()
    points = order.points(loaded)
    with Console() as console, redirect_stdout(sys.stderr):
        console.step(f"{loaded.name}: checking the task")
        task = load_for(loaded)
    plan = {
        "recipe": loaded.recipe.model_dump(mode="json"),
        "out": str(order.out or RUNS / loaded.name),
        "task_files": [file.name for file in task.files],
        "steps": ["dense baseline", *(step.name for step in loaded.recipe.steps), "export",
                  "score", "measure beside dense", "judge", "package", "report"],
        "points": [f"{points.limit}={sweeps.stated(one)}" for one in points.values]
        if points else [],
    }  # fmt: skip
    if as_json:
        print_json(plan)
        return 0
    Terminal().print(f"{loaded.file} is sound. In {plan['out']}:")
    for number, step in enumerate(plan["steps"], 1):
        Terminal().print(f"  {number}. {step}")
    for point in plan["points"]:
        Terminal().print(f"  with {point}")
    return 0
