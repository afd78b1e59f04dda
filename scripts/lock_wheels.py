"""Asks pip what each runtime needs on devices of several kinds, and writes the wheels' hashes.

Run it when scripts/constraints.txt gives another version to a runtime or to what it needs. Nothing
is downloaded but metadata: the hashes are those of the package index.
"""

import argparse
import json
import subprocess
import sys
import tempfile
from collections import defaultdict
from pathlib import Path

from pipeline.package.linux.build import DISTRIBUTIONS

ROOT = Path(__file__).parents[1]
LOCK = ROOT / "pipeline/package/linux/wheels.json"
PYTHONS = ("3.11", "3.12", "3.13")
MACHINES = ("aarch64", "x86_64")
NEWEST_GLIBC = 36
"""Debian 12's is 2.36; a wheel for an older one fits, too."""


def main() -> None:
    """Writes wheels.json."""
    argparse.ArgumentParser(description=__doc__).parse_args()
    runtimes: dict[str, dict[str, dict[str, str]]] = {}
    for runtime in sorted(DISTRIBUTIONS.values()):
        found: dict[str, dict[str, str]] = defaultdict(dict)
        for python in PYTHONS:
            for machine in MACHINES:
                for name, wheel, sha256 in resolved(runtime, python, machine):
                    found[name][wheel] = sha256
                print(f"{runtime}: Python {python} on {machine}", file=sys.stderr)
        runtimes[runtime] = {name: dict(sorted(found[name].items())) for name in sorted(found)}
    document = {"pythons": PYTHONS, "machines": MACHINES, "runtimes": runtimes}
    LOCK.write_text(json.dumps(document, indent=1) + "\n", encoding="utf-8")


def resolved(runtime: str, python: str, machine: str) -> list[tuple[str, str, str]]:
    """NAME==VERSION, the wheel's file name and its sha256, for the runtime and all it needs."""
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder) / "report.json"
        subprocess.run(command(runtime, python, machine, folder, report), check=True)
        found = json.loads(report.read_text(encoding="utf-8"))["install"]
    return [locked(one) for one in found]


def command(runtime: str, python: str, machine: str, folder: str, report: Path) -> list[str]:
    """pip's, for a machine that this one is not."""
    tags = [f"manylinux_2_{minor}_{machine}" for minor in range(NEWEST_GLIBC, 16, -1)]
    platforms = [f"--platform={tag}" for tag in (*tags, f"manylinux2014_{machine}")]
    return [
        *(sys.executable, "-m", "pip", "install", "--quiet", "--dry-run", "--ignore-installed"),
        *("--only-binary=:all:", f"--python-version={python}", *platforms),
        *(f"--target={folder}/none", f"--report={report}"),
        *("--constraint", str(ROOT / "scripts/constraints.txt"), runtime, "numpy"),
    ]


def locked(one: dict) -> tuple[str, str, str]:
    """An entry of pip's report (pip.pypa.io, "Installation Report")."""
    about, origin = one["metadata"], one["download_info"]
    name = about["name"].lower().replace("_", "-")
    wheel = origin["url"].rpartition("/")[2]
    return f"{name}=={about['version']}", wheel, origin["archive_info"]["hashes"]["sha256"]


if __name__ == "__main__":
    main()
