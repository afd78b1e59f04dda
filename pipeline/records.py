"""`edgesmith report` and `edgesmith runs`: what is in finished run folders."""

from pathlib import Path

from rich.table import Table

from pipeline.printing import print_json
from pipeline.report import storage
from pipeline.report.table import table
from pipeline.terminal import Terminal
from pipeline.workspace import RUN_FILE
from targets.errors import ArtifactError, UsageError


def report(folder: Path, as_json: bool) -> int:
    """Prints a run's table and writes its page again. Raises ArtifactError where there is none."""
    found = storage.read(folder)
    page = storage.redraw(folder)
    if as_json:
        print_json(found.model_dump(mode="json"))
        return 0
    Terminal().print(table(found))
    Terminal().print(f"verdict: {found.verdict}; the report is {page}")
    return 0


def runs(folder: Path, as_json: bool) -> int:
    """Lists the runs below a folder. Raises UsageError where the folder is not there."""
    if not folder.is_dir():
        raise UsageError(f"{folder}: no such folder; `edgesmith run RECIPE` makes {folder}/NAME")
    rows = [_told(path.parent) for path in sorted(folder.glob(f"*/{RUN_FILE}"))]
    if as_json:
        print_json(rows)
        return 0
    shown = Table("run", "recipe", "device", "verdict", box=None, pad_edge=False)
    for row in rows:
        shown.add_row(*(str(value) for value in row.values()))
    Terminal().print(shown)
    return 0


def _told(folder: Path) -> dict[str, str]:
    try:
        found = storage.read(folder)
    except ArtifactError:
        return {"run": str(folder), "recipe": "", "device": "", "verdict": "unfinished"}
    return {
        "run": str(folder),
        "recipe": found.recipe,
        "device": found.device,
        "verdict": found.verdict,
    }
