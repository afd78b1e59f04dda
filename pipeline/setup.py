"""`edgesmith init`, `schema` and `doctor`: what one does before a run."""

from dataclasses import asdict
from pathlib import Path

from rich.console import Console
from rich.table import Table

from pipeline import doctor as doctors
from pipeline import init as beginnings
from pipeline import recipe
from pipeline.printing import print_json
from targets.errors import EnvironmentFault


def init(folder: Path, as_json: bool) -> int:
    """Writes a recipe folder to fill in."""
    files = beginnings.init(folder)
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return 0
    for file in files:
        Console().print(f"wrote {file}", markup=False)
    Console().print(f"try it: edgesmith run {folder}", markup=False)
    return 0


def schema() -> int:
    """Prints the recipe's JSON schema."""
    print_json(recipe.schema())
    return 0


def doctor(as_json: bool) -> int:
    """Prints what was found of this machine; 7 where something is missing, else 0."""
    findings = doctors.examine()
    missing = any(one.status == "missing" for one in findings)
    code = EnvironmentFault.exit_code if missing else 0
    if as_json:
        print_json([asdict(one) for one in findings])
        return code
    shown = Table("what", "status", "found", "cure", box=None, pad_edge=False)
    for one in findings:
        shown.add_row(one.name, one.status, one.found, one.cure)
    Console().print(shown)
    return code
