"""`python -m targets.reading_worker RUNTIME FILE`: what a model file declares, as JSON.

A process of its own, since files that come from elsewhere can crash what parses them.
"""

import json
import resource
import sys
from dataclasses import asdict
from importlib import import_module
from pathlib import Path

from targets.reading import ERROR

LEAST_BYTES = 1_500_000_000
COPIES = 6
"""Of the file that a parser may hold: it reads, unpacks, and packs again for shape inference."""


def main() -> None:
    """Prints the workload on stdout, or what the parser says of a file that it refuses."""
    runtime, path = sys.argv[1], Path(sys.argv[2])
    _confine(LEAST_BYTES + COPIES * path.stat().st_size)
    reader = import_module(f"targets.{runtime}.graph")
    try:
        answer = asdict(reader.workload(path))
    except Exception as error:  # noqa: BLE001 a parser raises anything on a file that is hostile
        answer = {ERROR: f"{type(error).__name__}: {error}"}
    json.dump(answer, sys.stdout)


def _confine(limit_bytes: int) -> None:
    allowed = resource.getrlimit(resource.RLIMIT_DATA)[1]
    limit = limit_bytes if allowed == resource.RLIM_INFINITY else min(allowed, limit_bytes)
    resource.setrlimit(resource.RLIMIT_DATA, (limit, limit))


if __name__ == "__main__":
    main()
