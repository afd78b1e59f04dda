"""The conditions of a measurement, each as text; what can't be read says why."""

import os
import platform
from pathlib import Path
from typing import Dict

from targets.measurement import unavailable

GOVERNOR = Path("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor")
THERMAL = Path("/sys/class/thermal")
CPUINFO = Path("/proc/cpuinfo")
_CPU_KEYS = ("model name", "Model", "Hardware")


def conditions() -> Dict[str, str]:
    """Processor, system and their state at this moment."""
    return {
        "cpu": _cpu(),
        "arch": platform.machine(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "affinity": _affinity(),
        "governor": _text(GOVERNOR, "no cpufreq"),
        "temperature": _temperature(),
        "load_average": _load_average(),
    }


def _cpu() -> str:
    lines = [line.partition(":") for line in _text(CPUINFO, "").splitlines()]
    named = {key.strip(): value.strip() for key, _, value in lines}
    return next(
        (named[key] for key in _CPU_KEYS if key in named), platform.processor() or "unknown"
    )


def _affinity() -> str:
    if not hasattr(os, "sched_getaffinity"):
        return unavailable("this system tells no affinity")
    return ",".join(map(str, sorted(os.sched_getaffinity(0))))


def _temperature() -> str:
    zones = [_text(zone, "") for zone in sorted(THERMAL.glob("thermal_zone*/temp"))]
    readings = [int(reading) / 1000 for reading in zones if reading.lstrip("-").isdigit()]
    return f"{max(readings):.1f} °C" if readings else unavailable("no thermal zones")


def _load_average() -> str:
    try:
        return f"{os.getloadavg()[0]:.2f}"
    except OSError:
        return unavailable("this system tells no load average")


def _text(path: Path, reason: str) -> str:
    try:
        return path.read_text(encoding="utf-8", errors="replace").strip()
    except OSError:
        return unavailable(reason)
