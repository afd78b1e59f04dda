"""Other accounts of this process's memory: its proportional share (PSS), and its cgroup's peak.

Sources: proc(5) on smaps_rollup, docs.kernel.org/admin-guide/cgroup-v2.html (memory.peak),
developer.android.com/tools/dumpsys (meminfo). Travels to devices: stdlib only, Python 3.9 syntax.
"""

import os
import re
import shutil
from pathlib import Path
from typing import Optional

from targets.agent.power_commands import output_of
from targets.errors import EnvironmentFault

SMAPS = Path("/proc/self/smaps_rollup")
CGROUP = Path("/proc/self/cgroup")
CGROUPS = Path("/sys/fs/cgroup")
_ANDROID_TOTAL = re.compile(r"TOTAL PSS:\s+(\d+)|^\s*TOTAL:?\s+(\d+)", re.MULTILINE)


def pss_bytes() -> Optional[int]:
    """Resident bytes, what is shared counted in parts; Android tells it by dumpsys, too."""
    told = _text(SMAPS)
    found = re.search(r"^Pss:\s+(\d+) kB", told, re.MULTILINE)
    if found:
        return int(found.group(1)) * 1024
    if not shutil.which("dumpsys"):
        return None
    try:
        return android_pss_bytes(output_of(("dumpsys", "meminfo", str(os.getpid()))))
    except EnvironmentFault:
        return None


def android_pss_bytes(meminfo: str) -> Optional[int]:
    """The total PSS in what `dumpsys meminfo PID` prints, in whichever of its forms."""
    found = _ANDROID_TOTAL.search(meminfo)
    return int(found.group(1) or found.group(2)) * 1024 if found else None


def cgroup_peak_bytes() -> Optional[int]:
    """The peak of the control group (version 2) that this process is in: of a container, all."""
    found = re.search(r"^0::/(.*)$", _text(CGROUP), re.MULTILINE)
    if found is None:
        return None
    told = _text(CGROUPS / found.group(1) / "memory.peak").strip()
    return int(told) if told.isdigit() else None


def _text(file: Path) -> str:
    try:
        return file.read_text(encoding="ascii", errors="replace")
    except OSError:
        return ""
