"""The one table that a run prints: dense and final for each runtime."""

from rich import box
from rich.table import Table
from rich.text import Text

from pipeline.report import view, wording
from pipeline.report.document import Report, Row, Status
from pipeline.report.view import Cell, RowView

COLOURS: dict[Status, str] = {
    "PASS": "bold green",
    "FAIL": "bold red",
    "INCONCLUSIVE": "bold yellow",
    "INVALID": "bold magenta",
    "UNVERIFIED": "bold cyan",
}
NUMBERS = ("p50", "p95", "peak memory", "size")


def table(report: Report) -> Table:
    """Latency p50 and p95, peak memory, size, accuracy, worst class and verdict, by runtime.

    Text from outside is shown as it is: rich's markup in a name is not acted upon.
    """
    metric = wording.metric_of(report)
    shown = Table(box=box.SIMPLE_HEAD, pad_edge=False, title=None)
    shown.add_column("runtime")
    shown.add_column("model")
    for name in (*NUMBERS, metric.name, "worst class"):
        shown.add_column(Text(name), justify="right", no_wrap=name in NUMBERS)
    shown.add_column("verdict")
    for row in report.selected().values():
        _add(shown, report, row)
    for runtime, reason in report.failures.items():
        if runtime not in report.selected():
            shown.add_row(wording.runtime_name(runtime), Text(f"none: {reason}"))
    return shown


def _add(shown: Table, report: Report, row: Row) -> None:
    """The dense line and the final line of one runtime."""
    metric, dense = wording.metric_of(report), report.dense().get(row.runtime)
    name = Text(wording.runtime_name(row.runtime))
    if dense is not None:
        cells = _cells(view.row_view("dense", dense, dense, row, metric))
        shown.add_row(name, "dense", *cells, Text("baseline", style="dim"))
        name = Text("")
    cells = _cells(view.row_view("final", row, dense, row, metric))
    shown.add_row(name, "final", *cells, _verdict(row), end_section=True)


def _cells(row: RowView) -> list[Text]:
    return [_cell(one) for one in (row.p50, row.p95, row.memory, row.size, row.score, row.worst)]


def _cell(cell: Cell) -> Text:
    text = Text(str(cell.figure))
    note = "" if cell.note.endswith("of dense") else cell.note
    return text.append(f"\n{note}", style="dim") if note else text


def _verdict(row: Row) -> Text:
    if row.verdict is None:
        return Text("not judged", style="dim")
    return Text(row.verdict.status, style=COLOURS[row.verdict.status])
