"""Findings as a person reads them."""

from collections.abc import Mapping, Sequence
from typing import Any

from rich.table import Table

from pipeline.terminal import Terminal

NOTHING = "nothing in the file that is known to be slow here"


def table(diagnosis: Sequence[Mapping[str, Any]]) -> Table:
    """What was found, the worst first, each with its cure."""
    shown = Table("why is it slow", "what was found", "what to do", box=None, pad_edge=False)
    for one in diagnosis:
        cells = (f"{one['severity']}: {one['rule']}", one["found"], one["cure"])
        shown.add_row(*cells)
    return shown


def print_diagnosis(diagnosis: Sequence[Mapping[str, Any]], console: Terminal) -> None:
    """Prints it; says so where nothing was found."""
    if not diagnosis:
        console.print(f"static analysis: {NOTHING}")
        return
    console.print(table(diagnosis))
