"""The one table that a run prints: dense and final for each runtime."""

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.report import view, wording
from pipeline.report.document import Report, Row, Status
from pipeline.report.view import RowView

COLOURS: dict[Status, str] = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "INVALID": "bold magenta",
    "UNVERIFIED": "bold cyan",
}
NUMBERS = ("p50 ms", "p95 ms", "peak MB", "size kB")


def table(report: Report) -> Table:
    """Latency p50 and p95, peak memory, size, accuracy, worst class and verdict, by runtime.

    It fits 80 columns. Text from outside is shown as it is: markup in a name is not acted upon.
    """
    metric = wording.metric_of(report)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, padding=0)
    shown.add_column("runtime", no_wrap=True)
    shown.add_column("model", no_wrap=True)
    for name in NUMBERS:
        shown.add_column(name, justify="right", no_wrap=True)
    shown.add_column(Text(metric.name), justify="right")
    shown.add_column("worst class", justify="right")
    shown.add_column("verdict", no_wrap=True)
    for row in report.selected().values():
        _add(shown, report, row)
    for runtime in report.failures:
        if runtime not in report.selected():
            shown.add_row(wording.runtime_name(runtime), "none")
    if report.failures:
        told = (f"{wording.runtime_name(one)}: {why}" for one, why in report.failures.items())
        shown.caption, shown.caption_justify = Text("\n".join(told)), "left"
    return shown


def _add(shown: Table, report: Report, row: Row) -> None:
    """The dense line and the final line of one runtime."""
    metric, dense = wording.metric_of(report), report.dense().get(row.runtime)
    name = Text(wording.runtime_name(row.runtime))
    if dense is not None:
        shown.add_row(name, "dense", *_cells(view.row_view("dense", dense, dense, row, metric)), "")
        name = Text("")
    cells = _cells(view.row_view("final", row, dense, row, metric))
    shown.add_row(name, "final", *cells, _verdict(row), end_section=True)


def _cells(row: RowView) -> list[Text]:
    plain = [Text(one.figure.text) for one in (row.p50, row.p95, row.memory, row.size)]
    return [*plain, Text(str(row.score.figure)), _worst(row)]


def _worst(row: RowView) -> Text:
    """The class's name, and what it lost or, for the dense model, its score."""
    told = row.lost or str(row.worst.figure)
    return Text.assemble((f"{row.worst_name} ", "dim"), told)


def _verdict(row: Row) -> Text:
    if row.verdict is None:
        return Text("not judged", style="dim")
    return Text(row.verdict.status, style=COLOURS[row.verdict.status])
