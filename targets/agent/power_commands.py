"""Power sensors that a program tells: the Raspberry Pi 5's PMIC, and any command of the user's.

Source: raspberrypi.com/documentation/computers/os.html#vcgencmd (pmic_read_adc). Travels to
devices: stdlib only, Python 3.9 syntax.
"""

import math
import re
import shlex
import subprocess
from typing import Dict, Mapping, Sequence, Tuple

from targets.errors import EnvironmentFault

PMIC = ("vcgencmd", "pmic_read_adc")
_TIMEOUT_S = 5.0
_LONGEST_NAME = 60
_RAIL = re.compile(r"(\w+)_([AV])\s+\w+\(\d+\)=([0-9.]+)[AV]")
_UNITS: Mapping[str, Tuple[str, float]] = {
    "": ("W", 1.0), "W": ("W", 1.0), "mW": ("W", 1e-3), "uW": ("W", 1e-6),
    "J": ("J", 1.0), "mJ": ("J", 1e-3), "uJ": ("J", 1e-6), "Wh": ("J", 3600.0),
}  # fmt: skip
_READING = re.compile(r"\s*([-+0-9.eE]+)\s*([A-Za-z]*)\s*", re.ASCII)


class PmicPower:
    """The sum over the PMIC's rails of current times voltage; what hangs on 5 V is not in it."""

    unit = "W"
    name = "Raspberry Pi 5 PMIC, all rails"

    def read(self) -> float:
        """Watts at this moment."""
        told: Dict[str, Dict[str, float]] = {}
        for rail, kind, value in _RAIL.findall(output_of(PMIC)):
            told.setdefault(rail, {})[kind] = float(value)
        rails = [pair for pair in told.values() if len(pair) == 2]
        if not rails:
            raise EnvironmentFault(f"'{' '.join(PMIC)}' tells no rail's current and voltage")
        return sum(pair["A"] * pair["V"] for pair in rails)


class CommandPower:
    """A command that prints one number and perhaps a unit: W, mW, uW, or J, mJ, uJ, Wh so far."""

    def __init__(self, command: str) -> None:
        self._command = _words(command)
        self.name = f"command {command[:_LONGEST_NAME]}"
        self.unit = self._reading()[0]

    def read(self) -> float:
        """Watts at this moment, or joules so far."""
        unit, value = self._reading()
        if unit != self.unit:
            raise EnvironmentFault(f"{self.name}: the unit changed from {self.unit} to {unit}")
        return value

    def _reading(self) -> Tuple[str, float]:
        told = output_of(self._command)
        match = _READING.fullmatch(told)
        if match is None or match.group(2) not in _UNITS:
            raise EnvironmentFault(
                f"{self.name} printed {told[:40]!r}; expected a number and one of the units "
                f"{', '.join(unit for unit in _UNITS if unit)}"
            )
        unit, scale = _UNITS[match.group(2)]
        return unit, _number(match.group(1), self.name) * scale


def _words(command: str) -> Sequence[str]:
    try:
        words = shlex.split(command)
    except ValueError as error:
        raise EnvironmentFault(f"the command {command!r} is none: {error}") from error
    if not words:
        raise EnvironmentFault("the command that tells the power is empty")
    return words


def _number(text: str, name: str) -> float:
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise EnvironmentFault(f"{name} printed {text!r}, which is no number")
    return value


def output_of(command: Sequence[str]) -> str:
    """What a command prints. Raises EnvironmentFault where it is missing, fails or hangs."""
    name = " ".join(command)
    try:
        done = subprocess.run(
            command, capture_output=True, timeout=_TIMEOUT_S, check=False, stdin=subprocess.DEVNULL
        )
    except FileNotFoundError as error:
        raise EnvironmentFault(f"there is no program '{command[0]}'") from error
    except subprocess.TimeoutExpired as error:
        raise EnvironmentFault(f"'{name}' gave no answer in {_TIMEOUT_S:g} s") from error
    except OSError as error:
        raise EnvironmentFault(f"'{name}' can't be started: {error.strerror}") from error
    if done.returncode:
        told = done.stderr.decode(errors="replace").strip()[:200]
        raise EnvironmentFault(f"'{name}' failed with code {done.returncode}: {told}")
    return done.stdout.decode(errors="replace")
