"""The battery of an Android device as a power sensor.

Source: docs.kernel.org/power/power_supply_class.html and Android's BatteryManager: µA and µV, with
a sign that each maker chooses; some give mA or mV instead. Travels to devices: stdlib only, Python
3.9 syntax.
"""

from pathlib import Path
from typing import Dict, List

from targets.agent.power_commands import output_of
from targets.agent.power_sysfs import text, whole
from targets.errors import EnvironmentFault

BATTERY = Path("/sys/class/power_supply/battery")
_LEAST_UV = 100_000
"""0.1 V: below it a voltage is in mV."""
_LEAST_UA = 15_000
"""15 mA: no device that runs a program draws less, so what is below it is in mA."""
_DUMPSYS = ("dumpsys", "battery")


class BatteryPower:
    """Current times voltage while discharging; by files, or by dumpsys where they are hidden."""

    unit = "W"

    def __init__(self) -> None:
        self._by_files = _readable()
        self.name = "battery by " + ("power_supply" if self._by_files else "dumpsys")

    def read(self) -> float:
        """Watts at this moment. Raises EnvironmentFault also while it charges."""
        return _from_files() if self._by_files else _from_dumpsys()


def _readable() -> bool:
    try:
        text(BATTERY / "current_now")
    except EnvironmentFault:
        return False
    return True


def _from_files() -> float:
    status = text(BATTERY / "status")
    if status != "Discharging":
        raise EnvironmentFault(f"the battery is '{status}'; unplug the device")
    return _watts(whole(BATTERY / "current_now"), whole(BATTERY / "voltage_now"))


def _from_dumpsys() -> float:
    told = _pairs(output_of(_DUMPSYS).splitlines())
    plugged = [name for name in told if name.endswith(" powered") and told[name] == "true"]
    if plugged:
        raise EnvironmentFault(f"'{plugged[0]}' is true; unplug the device (adb works by TCP)")
    try:
        return _watts(int(told["current now"]), int(told["voltage"]))
    except (KeyError, ValueError) as error:
        raise EnvironmentFault(
            f"{BATTERY} can't be read, and dumpsys battery tells no current"
        ) from error


def _pairs(lines: List[str]) -> Dict[str, str]:
    halves = (line.partition(":") for line in lines)
    return {name.strip().lower(): value.strip() for name, _, value in halves}


def _watts(current: int, voltage: int) -> float:
    amperes = abs(current) / (1e6 if abs(current) >= _LEAST_UA else 1e3)
    volts = voltage / (1e6 if voltage >= _LEAST_UV else 1e3)
    return amperes * volts
