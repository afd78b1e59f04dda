"""`python -m pipeline.verify_limited`: a package's preprocessing, done in a limited process.

A manifest from elsewhere may state what takes hours or all memory. The worker takes the paths of
the package's files as JSON on stdin and prints the differences as JSON.
"""

import json
import resource
import subprocess
import sys
from collections.abc import Mapping
from dataclasses import asdict
from pathlib import Path

from pipeline.package.manifest import NAME, Manifest
from pipeline.package.opening import Member, Opened
from pipeline.verify_difference import Difference
from pipeline.verify_sources import unlike
from targets.errors import EnvironmentFault

MEMORY_BYTES = 1_500_000_000
CPU_S = 8
"""Eight samples take milliseconds: recordings of a second, images of a camera's size a second."""

NO_MEMORY = 9
_TIMEOUT_S = 120.0  # on a machine that does other work
_CODE = Path(__file__).resolve().parents[1]


def unlike_in_bounds(package: Opened, manifest: Manifest) -> tuple[Difference, ...]:
    """What `unlike` finds, in a process of its own.

    What takes more than CPU_S or MEMORY_BYTES is a difference. Raises EnvironmentFault where the
    process can't be started.
    """
    if not manifest.golden.sources:  # then nothing is computed
        return tuple(unlike(package, manifest))
    request = {path: str(one.path) for path, one in package.files.items()}
    try:
        done = subprocess.run(
            [sys.executable, "-m", "pipeline.verify_limited"],
            input=json.dumps(request).encode(),
            capture_output=True,
            timeout=_TIMEOUT_S,
            check=False,
            cwd=_CODE,
        )
    except OSError as error:
        raise EnvironmentFault(f"{sys.executable} can't be started: {error}") from error
    except subprocess.TimeoutExpired:
        return (_unfinished(),)
    if done.returncode == 0:
        return tuple(Difference(**one) for one in json.loads(done.stdout))
    if done.returncode < 0 or done.returncode == NO_MEMORY:
        return (_unfinished(),)
    said = (done.stderr.decode(errors="replace").strip().splitlines() or [""])[-1][:200]
    return (Difference(NAME, f"states preprocessing that fails: {said}"),)


def _unfinished() -> Difference:
    allowed = f"{CPU_S} s and {MEMORY_BYTES / 1e9:g} GB"
    return Difference(NAME, f"states preprocessing that can't be done within {allowed}")


def main() -> None:
    """Does the work; ends with a code above 0, or a signal, where it exceeds its bounds."""
    request: Mapping[str, str] = json.load(sys.stdin)
    _confine()
    files = {name: _member(Path(path)) for name, path in request.items()}
    root = files[NAME].path.parent
    manifest = Manifest.model_validate_json(files[NAME].path.read_bytes())
    try:
        found = list(unlike(Opened(root, "", files), manifest))
    except MemoryError:
        sys.exit(NO_MEMORY)
    json.dump([asdict(one) for one in found], sys.stdout)


def _member(path: Path) -> Member:
    return Member(path, "", path.stat().st_size)


def _confine() -> None:
    for kind, limit in ((resource.RLIMIT_DATA, MEMORY_BYTES), (resource.RLIMIT_CPU, CPU_S),
                        (resource.RLIMIT_CORE, 0)):  # fmt: skip
        allowed = resource.getrlimit(kind)[1]
        least = limit if allowed == resource.RLIM_INFINITY else min(limit, allowed)
        resource.setrlimit(kind, (least, least))


if __name__ == "__main__":
    main()
