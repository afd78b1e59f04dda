"""Power sensors that Linux shows as files: RAPL, INA3221 and other hwmon chips.

Sources: docs.kernel.org/power/powercap/powercap.html, docs.kernel.org/hwmon/sysfs-interface.html,
docs.kernel.org/hwmon/ina3221.html. Travels to devices: stdlib only, Python 3.9 syntax.
"""

from pathlib import Path
from typing import List

from targets.errors import EnvironmentFault

POWERCAP = Path("/sys/class/powercap")
HWMON = Path("/sys/class/hwmon")
_WHOLE_BOARD = ("VDD_IN", "POM_5V_IN", "VIN_SYS_5V0")
"""INA3221's rails that feed everything else, as Jetson boards label them."""


class RaplEnergy:
    """RAPL's counters of all packages and their DRAM; each wraps on its own."""

    unit = "J"

    def __init__(self) -> None:
        self._zones = [_Counter(zone) for zone in _rapl_zones()]
        if not self._zones:
            raise EnvironmentFault(f"{POWERCAP} has no intel-rapl zone of a package")
        self.name = "RAPL " + " + ".join(zone.name for zone in self._zones)

    def read(self) -> float:
        """Joules since this object was made."""
        return sum(zone.joules() for zone in self._zones)


class _Counter:
    """One zone's counter in µJ, followed past its end."""

    def __init__(self, zone: Path) -> None:
        self.name = text(zone / "name")
        self._file = zone / "energy_uj"
        self._range_uj = whole(zone / "max_energy_range_uj")
        self._last_uj = whole(self._file)
        self._total_uj = 0

    def joules(self) -> float:
        now_uj = whole(self._file)
        risen_uj = now_uj - self._last_uj
        if risen_uj < 0:  # wrapped once: a package takes minutes for its whole range
            risen_uj += self._range_uj + 1
        self._total_uj += risen_uj
        self._last_uj = now_uj
        return self._total_uj / 1e6


def _rapl_zones() -> List[Path]:
    """Packages, and DRAM, which a package does not count; cores and graphics it does."""
    zones = sorted(POWERCAP.glob("intel-rapl:*"))
    wanted = ("package", "dram")
    return [zone for zone in zones if text(zone / "name").startswith(wanted)]


class Ina3221Power:
    """The rail of an INA3221 that feeds the whole board: mV times mA."""

    unit = "W"

    def __init__(self) -> None:
        chips = [chip for chip in sorted(HWMON.glob("hwmon*")) if _named(chip, "ina3221")]
        labels = [label for chip in chips for label in sorted(chip.glob("in*_label"))]
        found = [label for label in labels if text(label) in _WHOLE_BOARD]
        if not found:
            shown = ", ".join(text(label) for label in labels) or "none"
            raise EnvironmentFault(
                f"{HWMON} has no ina3221 with a rail {' or '.join(_WHOLE_BOARD)}; rails: {shown}"
            )
        number = found[0].name[len("in") : -len("_label")]
        self.name = f"INA3221 {text(found[0])}"
        self._volts_mv = found[0].with_name(f"in{number}_input")
        self._amperes_ma = found[0].with_name(f"curr{number}_input")

    def read(self) -> float:
        """Watts at this moment."""
        return abs(whole(self._volts_mv) * whole(self._amperes_ma)) / 1e6


class HwmonPower:
    """The one hwmon chip that tells power in µW, whichever it is."""

    unit = "W"

    def __init__(self) -> None:
        patterns = ("hwmon*/power*_input", "hwmon*/power*_average")
        found = [file for pattern in patterns for file in sorted(HWMON.glob(pattern))]
        if len(found) != 1:
            shown = ", ".join(str(file) for file in found) or "none"
            raise EnvironmentFault(
                f"of hwmon's power readings one is expected, found {shown}"
                + ("; name one by the profile's key 'sensor'" if found else "")
            )
        self._file = found[0]
        self.name = f"hwmon {text(self._file.with_name('name'))} {self._file.name}"

    def read(self) -> float:
        """Watts at this moment."""
        return whole(self._file) / 1e6


def _named(chip: Path, name: str) -> bool:
    return (chip / "name").exists() and text(chip / "name") == name


def text(file: Path) -> str:
    """What a file holds. Raises EnvironmentFault where it can't be read."""
    try:
        return file.read_text(encoding="ascii", errors="replace").strip()
    except PermissionError as error:
        raise EnvironmentFault(f"{file} may be read by root only; run as root") from error
    except OSError as error:
        raise EnvironmentFault(f"{file} can't be read: {error.strerror}") from error


def whole(file: Path) -> int:
    """The whole number that a file holds. Raises EnvironmentFault where it holds none."""
    found = text(file)
    try:
        return int(found)
    except ValueError as error:
        raise EnvironmentFault(f"{file} holds no whole number: {found[:40]!r}") from error
