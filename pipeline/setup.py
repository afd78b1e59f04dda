"""`edgesmith init`, `schema` and `doctor`: what one does before a run."""

from dataclasses import asdict
from pathlib import Path

from rich.table import Table

from pipeline import device_doctor, recipe
from pipeline import doctor as doctors
from pipeline import init as beginnings
from pipeline.printing import print_json
from pipeline.terminal import Terminal
from targets import device as devices
from targets.errors import EnvironmentFault, UsageError


def init(folder: Path, as_json: bool) -> int:
    """Writes a recipe folder to fill in."""
    files = beginnings.init(folder)
    if as_json:
        print_json({"files": [str(file) for file in files]})
        return 0
    for file in files:
        Terminal().print(f"wrote {file}")
    Terminal().print(f"try it: edgesmith run {folder}")
    return 0


def schema() -> int:
    """Prints the recipe's JSON schema."""
    print_json(recipe.schema())
    return 0


def doctor(as_json: bool, device: str | None = None, wheels: Path | None = None) -> int:
    """Prints what was found of this machine, or of a device after wheels were installed there.

    Returns 7 where something is missing, else 0.
    """
    if wheels is not None and device is None:
        raise UsageError("--install puts wheels on a device; name it by --device")
    findings = _of_device(device, wheels) if device is not None else doctors.examine()
    missing = any(one.status == "missing" for one in findings)
    code = EnvironmentFault.exit_code if missing else 0
    if as_json:
        print_json([asdict(one) for one in findings])
        return code
    shown = Table("what", "status", "found", "cure", box=None, pad_edge=False)
    for one in findings:
        shown.add_row(one.name, one.status, one.found, one.cure)
    Terminal().print(shown)
    return code


def _of_device(name: str, wheels: Path | None) -> list[doctors.Finding]:
    profile = devices.load(name)
    installed: list[str] = []
    if wheels is not None:
        installed = device_doctor.install(profile, wheels)
    done = [doctors.Finding(f"installed {one}", "ok", "unpacked there") for one in installed]
    return [*done, *device_doctor.examine(profile)]
