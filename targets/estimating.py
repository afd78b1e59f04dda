"""`python -m targets.estimating RUNTIME FILE`: what a model file asks of a device, as JSON.

A process of its own, since files that come from elsewhere can crash what parses them.
"""

import json
import resource
import sys
from importlib import import_module
from pathlib import Path

from targets.workload import Workload

MEMORY_LIMIT_BYTES = 4 * 1024**3


def main() -> None:
    """Prints the estimate on stdout; fails with the parser's own error."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    runtime, path = sys.argv[1:]
    reader = import_module(f"targets.{runtime}.graph")
    json.dump(estimate(reader.workload(Path(path))), sys.stdout)


def estimate(work: Workload) -> dict[str, float]:
    """MACs, bytes and energy of one inference."""
    return {
        "macs": work.macs,
        "peak_activation_bytes": work.peak_activation_bytes(),
        "constant_bytes": sum(one.size_bytes for one in work.tensors.values() if one.constant),
        "energy_mj": work.energy_mj(),
    }


if __name__ == "__main__":
    main()
