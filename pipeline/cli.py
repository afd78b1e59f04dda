"""The command line: argv in, exit code out. Imports no torch: the doors load when they are called.

Exit codes: 0 met · 1 internal error · 2 usage or input · 3 budget missed · 4 not decided ·
5 device unreachable · 6 conversion · 7 environment · 130 interrupted.
"""

import sys
import warnings
from pathlib import Path
from typing import Annotated

import typer

from pipeline.boundary import leave_with
from pipeline.cli_check import check, measure
from pipeline.cli_devices import devices
from pipeline.cli_options import (
    Confidence,
    Device,
    Json,
    Overrides,
    Processes,
    Runtimes,
    Samples,
    Shapes,
)
from pipeline.cli_packages import package, replay, verify

app = typer.Typer(
    name="edgesmith",
    help="Turns a trained PyTorch model into an artifact that provably meets a device's budget.",
    no_args_is_help=True,
    add_completion=False,
    pretty_exceptions_enable=False,
    rich_markup_mode=None,
)
app.add_typer(devices, name="devices")


@app.command()
def run(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder or file.")],
    out: Annotated[Path | None, typer.Option(help="The run folder; without it, runs/NAME.")] = None,
    device: Device = None,
    runtime: Runtimes = None,
    overrides: Overrides = None,
    sweep: Annotated[
        str | None,
        typer.Option(metavar="LIMIT=FROM..TO:COUNT", help="A front: latency_ms.p95=0.2..1.0:5"),
    ] = None,
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Say what would be done.")] = False,
    processes: Processes = None,
    samples: Samples = None,
    confidence: Confidence = None,
    as_json: Json = False,
) -> None:
    """Makes, measures, judges and packages an artifact for each runtime of a recipe."""

    def door() -> int:
        from pipeline import doors
        from targets.sign_test import asked_rule

        asked = tuple(runtime or ()), tuple(overrides or ()), sweep
        rule = asked_rule(processes, samples, confidence)
        order = doors.Order(recipe, out, device, *asked, rule)
        return doors.dry_run(order, as_json) if dry_run else doors.run(order, as_json)

    leave_with(door, as_json)


app.command()(measure)
app.command()(check)
app.command()(package)
app.command()(verify)
app.command()(replay)


@app.command()
def compare(
    a: Annotated[Path, typer.Argument(metavar="A", help="A .tflite, .onnx or .xml file.")],
    b: Annotated[Path, typer.Argument(metavar="B", help="Another; its formats may differ.")],
    device: Device = None,
    rounds: Annotated[
        int | None, typer.Option(help="Fresh processes of each file, at least 6; without it, 8.")
    ] = None,
    shape: Shapes = None,
    as_json: Json = False,
) -> None:
    """Tells whether model B is faster than model A, measured in turns of one session."""

    def door() -> int:
        from pipeline import compare as comparing
        from pipeline.given import Given

        given = Given.read(tuple(shape or ()), None)
        return comparing.show(a, b, device or "host", rounds, as_json, given)

    leave_with(door, as_json)


@app.command()
def inspect(
    model: Annotated[Path, typer.Argument(metavar="ARTIFACT", help="A .tflite, .onnx or .xml.")],
    against: Annotated[
        Path | None,
        typer.Option(metavar="RUN", help="Compare it with this run's quantized torch graph."),
    ] = None,
    device: Device = None,
    shape: Shapes = None,
    as_json: Json = False,
) -> None:
    """Tells what really runs in a model file, in which types, and how faithful it is."""

    def door() -> int:
        from pipeline import inspecting
        from pipeline.given import Given

        given = Given.read(tuple(shape or ()), None)
        return inspecting.inspect(model, device or "host", against, as_json, given)

    leave_with(door, as_json)


@app.command()
def groups(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder or file.")],
    html: Annotated[Path | None, typer.Option(help="Write a page to this file, too.")] = None,
    overrides: Overrides = None,
    as_json: Json = False,
) -> None:
    """Shows what hangs together in a recipe's model, and what is pinned and why."""

    def door() -> int:
        from pipeline import doors
        from pipeline.groups_view import door as view

        return view.show(doors.Order(recipe, overrides=tuple(overrides or ())), html, as_json)

    leave_with(door, as_json)


@app.command()
def cost(
    recipe: Annotated[Path, typer.Argument(help="A recipe folder or file.")],
    device: Device = None,
    runtime: Runtimes = None,
    overrides: Overrides = None,
    minutes: Annotated[
        float, typer.Option(min=0.5, max=600, help="To probe each runtime for at most so long.")
    ] = 5.0,
    as_json: Json = False,
) -> None:
    """Probes what a recipe's model costs on a device at each width and without each block."""

    def door() -> int:
        from pipeline import doors
        from pipeline.cost import door as costs

        order = doors.Order(recipe, None, device, tuple(runtime or ()), tuple(overrides or ()))
        return costs.show(order, minutes, as_json)

    leave_with(door, as_json)


@app.command()
def init(folder: Path, as_json: Json = False) -> None:
    """Writes a commented recipe folder that runs as it is, to fill in."""

    def door() -> int:
        from pipeline import setup

        return setup.init(folder, as_json)

    leave_with(door, as_json)


@app.command()
def report(
    folder: Annotated[Path, typer.Argument(metavar="RUN", help="A run folder.")],
    as_json: Json = False,
) -> None:
    """Prints a finished run's table and writes its report.html again."""

    def door() -> int:
        from pipeline import records

        return records.report(folder, as_json)

    leave_with(door, as_json)


@app.command()
def runs(
    folder: Annotated[Path, typer.Argument(help="Where the run folders are.")] = Path("runs"),
    as_json: Json = False,
) -> None:
    """Lists the runs below a folder."""

    def door() -> int:
        from pipeline import records

        return records.runs(folder, as_json)

    leave_with(door, as_json)


@app.command()
def schema(as_json: Json = False) -> None:
    """Prints the JSON schema of recipe.yaml."""

    def door() -> int:
        from pipeline import setup

        return setup.schema()

    leave_with(door, as_json)


@app.command()
def doctor(
    device: Annotated[
        str | None, typer.Option("--device", help="Examine this device instead of this machine.")
    ] = None,
    install: Annotated[
        Path | None,
        typer.Option(metavar="FOLDER", help="Put the runtimes' wheels in FOLDER on the device."),
    ] = None,
    as_json: Json = False,
) -> None:
    """Says what this machine or a device has, what is missing and the command that cures it."""

    def door() -> int:
        from pipeline import setup

        return setup.doctor(as_json, device, install)

    leave_with(door, as_json)


def main() -> None:
    """The entry point of the `edgesmith` command."""
    if not sys.warnoptions:
        warnings.simplefilter("ignore")  # the libraries' deprecations are not the user's to cure
    app()
