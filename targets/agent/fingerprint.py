"""What tells this device from another, as far as its speed goes.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

import hashlib
import os
import platform
from typing import Dict

from targets.agent.conditions import CPUINFO, conditions
from targets.measurement import unavailable

LASTING = ("cpu", "arch", "kernel", "governor", "affinity")
_FLAGS = ("flags", "Features")
_TOLD = ("sse4_2", "avx2", "fma", "avx512f", "avx512_vnni", "avx_vnni", "avx512_bf16", "amx_int8",
         "asimd", "asimddp", "asimdhp", "i8mm", "bf16", "sve", "sve2")  # fmt: skip
_DIGITS = 12


def fingerprint() -> Dict[str, str]:
    """Processor, cores, instruction sets, kernel and governor, each as text."""
    now = conditions()
    flags = _flags()
    told = [flag for flag in _TOLD if flag in flags]
    digest = hashlib.sha256(" ".join(sorted(flags)).encode()).hexdigest()[:_DIGITS]
    return {
        **{name: now[name] for name in LASTING},
        "cores": str(os.cpu_count() or unavailable("this system tells no number of cores")),
        "system": platform.system(),
        "instructions": f"{' '.join(told)} (of all {len(flags)}: {digest})"
        if flags
        else unavailable(f"{CPUINFO} names none"),
    }


def _flags() -> "frozenset[str]":
    try:
        lines = CPUINFO.read_text(encoding="utf-8", errors="replace").splitlines()
    except OSError:
        return frozenset()
    named = (line.partition(":") for line in lines)
    return frozenset(next((value.split() for key, _, value in named if key.strip() in _FLAGS), []))
