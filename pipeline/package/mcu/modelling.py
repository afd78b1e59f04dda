"""`python -m pipeline.package.mcu.modelling OPTIONS`: Vela, in bounded memory.

A process of its own, since its compiler is native code and crashes on files that it can't take.
"""

import resource
import runpy
import sys

MEMORY_LIMIT_BYTES = 4 * 1024**3


def main() -> None:
    """Runs Vela with this program's arguments."""
    resource.setrlimit(resource.RLIMIT_DATA, (MEMORY_LIMIT_BYTES, MEMORY_LIMIT_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
    sys.argv[0] = "vela"
    runpy.run_module("ethosu.vela", run_name="__main__")


if __name__ == "__main__":
    main()
