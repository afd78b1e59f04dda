"""Whether the device holds its clock down at this moment, for heat or for want of power.

Sources: raspberrypi.com/documentation/computers/os.html#get_throttled, Android's thermalservice
(source.android.com/docs/core/power/thermal-mitigation), docs.kernel.org thermal sysfs.
Travels to devices: stdlib only, Python 3.9 syntax.
"""

import re
import shutil
from pathlib import Path
from typing import List, Optional

from targets.agent.power_commands import output_of
from targets.agent.power_sysfs import text, whole
from targets.disturbance import THROTTLED
from targets.errors import EnvironmentFault
from targets.measurement import unavailable

COOLING = Path("/sys/class/thermal")
THROTTLE_COUNTS = Path("/sys/devices/system/cpu")
NOT_THROTTLED = "none"

_PI_NOW = {0: "under-voltage", 1: "clock capped", 2: "throttled", 3: "soft temperature limit"}
_PI = re.compile(r"throttled=0x([0-9a-fA-F]+)")
_ANDROID = re.compile(r"Thermal Status:\s*(\d+)")
_ANDROID_STATUS = ("none", "light", "moderate", "severe", "critical", "emergency", "shutdown")
_SLOWS_CPUS = re.compile(r"processor|.*cpufreq.*|.*cpu.*", re.IGNORECASE)


class Throttling:
    """Watches from when it is made: `told` says what held the clock down, now or since then."""

    def __init__(self) -> None:
        self._count = _counted()
        self._at_start = _now()

    def told(self) -> str:
        """NOT_THROTTLED, "throttled: ..." or "unavailable: ..."."""
        now, count = _now(), _counted()
        if self._count is not None and count is not None and count > self._count:
            return f"{THROTTLED}{count - self._count} times by the processor itself"
        if self._at_start.startswith(THROTTLED):
            return self._at_start
        known = count is not None and not now.startswith(THROTTLED)
        return NOT_THROTTLED if known else now


def _now() -> str:
    try:
        if shutil.which("vcgencmd"):
            return _pi()
        if shutil.which("dumpsys"):
            return _android()
        return _cooling()
    except EnvironmentFault as error:
        return unavailable(str(error))


def _pi() -> str:
    match = _PI.search(output_of(("vcgencmd", "get_throttled")))
    if match is None:
        raise EnvironmentFault("'vcgencmd get_throttled' tells nothing known")
    bits = int(match.group(1), 16)  # those from 16 on are of the time since boot
    return _said([name for bit, name in _PI_NOW.items() if bits >> bit & 1])


def _android() -> str:
    match = _ANDROID.search(output_of(("dumpsys", "thermalservice")))
    if match is None:
        raise EnvironmentFault("'dumpsys thermalservice' tells no thermal status")
    status = min(int(match.group(1)), len(_ANDROID_STATUS) - 1)
    return _said([f"thermal status {_ANDROID_STATUS[status]}"] if status else [])


def _cooling() -> str:
    devices = [
        device
        for device in sorted(COOLING.glob("cooling_device*"))
        if _SLOWS_CPUS.fullmatch(text(device / "type"))
    ]
    if not devices:
        raise EnvironmentFault("this system shows no cooling device of its processor")
    active = [device for device in devices if whole(device / "cur_state") > 0]
    return _said([f"{text(one / 'type')} at state {whole(one / 'cur_state')}" for one in active])


def _counted() -> Optional[int]:
    """How often the processor has throttled itself since boot (x86); None where it can't tell."""
    files = list(THROTTLE_COUNTS.glob("cpu*/thermal_throttle/core_throttle_count"))
    try:
        return sum(whole(file) for file in files) if files else None
    except EnvironmentFault:
        return None


def _said(causes: List[str]) -> str:
    return THROTTLED + ", ".join(causes) if causes else NOT_THROTTLED
