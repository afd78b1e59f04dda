"""What a power sensor is, and which one this device has.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

from typing import Callable, Dict, List, Mapping, Protocol, Sequence

from targets.agent.power_commands import CommandPower, PmicPower
from targets.agent.power_supply import BatteryPower
from targets.agent.power_sysfs import HwmonPower, Ina3221Power, RaplEnergy
from targets.errors import EnvironmentFault, UsageError


class Sensor(Protocol):
    """Reads power, or energy so far. Raises EnvironmentFault saying why it can't."""

    name: str
    unit: str

    def read(self) -> float:
        """Watts where the unit is "W", joules so far where it is "J"."""


SENSORS: Mapping[str, Callable[[], Sensor]] = {
    "rapl": RaplEnergy,
    "ina3221": Ina3221Power,
    "pi-pmic": PmicPower,
    "android-battery": BatteryPower,
    "hwmon": HwmonPower,
}


def sensor_of(names: Sequence[str], command: str = "") -> Sensor:
    """The command where there is one, else the first of these sensors that can be read.

    Args:
        names: of SENSORS; empty: all, in its order.
        command: a program that prints power or energy, of targets.agent.power_commands.

    Raises:
        EnvironmentFault: none can be read; says why of each.
        UsageError: a name that is none of SENSORS.
    """
    if command:
        return _tried(lambda: CommandPower(command))
    refused: Dict[str, str] = {}
    for name in names or list(SENSORS):
        if name not in SENSORS:
            raise UsageError(f"no sensor is called '{name}'; known: {', '.join(SENSORS)}")
        try:
            return _tried(SENSORS[name])
        except EnvironmentFault as error:
            refused[name] = str(error)
    told: List[str] = [f"{name}: {reason}" for name, reason in refused.items()]
    raise EnvironmentFault("no energy can be read here (" + "; ".join(told) + ")")


def _tried(make: Callable[[], Sensor]) -> Sensor:
    sensor = make()
    sensor.read()
    return sensor
