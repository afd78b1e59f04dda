"""Every power sensor against a synthetic tree or program whose joules are known."""

import errno
import stat
from pathlib import Path

import pytest

from targets.agent import power_commands, power_supply, power_sysfs
from targets.agent.power import sensor_of
from targets.errors import EnvironmentFault, UsageError

PMIC = """
   3V7_WL_SW_A current(0)=0.10000000A
   3V3_SYS_A current(1)=0.20000000A
   VDD_CORE_A current(7)=1.50000000A
   3V7_WL_SW_V volt(8)=3.70000000V
   3V3_SYS_V volt(9)=3.30000000V
   VDD_CORE_V volt(15)=0.80000000V
   EXT5V_V volt(24)=5.10000000V
"""
DUMPSYS = """Current Battery Service state:
  AC powered: false
  USB powered: {plugged}
  level: 71
  voltage: 4000
  current now: -250000
"""


@pytest.fixture(autouse=True)
def bare_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """No sensor, and no program but those that a test writes."""
    monkeypatch.setattr(power_sysfs, "POWERCAP", tmp_path / "powercap")
    monkeypatch.setattr(power_sysfs, "HWMON", tmp_path / "hwmon")
    monkeypatch.setattr(power_supply, "BATTERY", tmp_path / "battery")
    monkeypatch.setenv("PATH", str(tmp_path / "bin"))
    return tmp_path


def tree(folder: Path, **files: object) -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    for name, content in files.items():
        (folder / name).write_text(f"{content}\n")
    return folder


def program(root: Path, name: str, output: str, code: int = 0) -> None:
    file = tree(root / "bin") / name
    file.write_text(f"#!/bin/sh\n/bin/cat <<'END'\n{output}\nEND\nexit {code}\n")
    file.chmod(file.stat().st_mode | stat.S_IXUSR)


def zone(root: Path, folder: str, name: str, **files: int) -> Path:
    return tree(root / "powercap" / folder, name=name, **files)


def test_rapl_adds_packages_and_dram_and_wraps(bare_machine: Path) -> None:
    package = zone(bare_machine, "intel-rapl:0", "package-0",
                   energy_uj=999_000, max_energy_range_uj=999_999)  # fmt: skip
    dram = zone(bare_machine, "intel-rapl:0:1", "dram",
                energy_uj=5, max_energy_range_uj=999_999)  # fmt: skip
    zone(bare_machine, "intel-rapl:0:0", "core", energy_uj=7, max_energy_range_uj=9)
    sensor = sensor_of(["rapl"])
    assert (sensor.name, sensor.unit) == ("RAPL package-0 + dram", "J")
    assert sensor.read() == 0.0
    tree(package, energy_uj=500_000)  # past the end: 501,000 µJ
    tree(dram, energy_uj=100_005)
    assert sensor.read() == pytest.approx(0.601)
    tree(package, energy_uj=600_000)
    assert sensor.read() == pytest.approx(0.701)


def test_rapl_without_permission_says_so(bare_machine: Path) -> None:
    folder = zone(bare_machine, "intel-rapl:0", "package-0", max_energy_range_uj=9)
    (folder / "energy_uj").mkdir()  # unreadable for everybody, root included
    with pytest.raises(EnvironmentFault, match="energy_uj can't be read"):
        sensor_of(["rapl"])


def test_rapl_is_for_root(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    zone(bare_machine, "intel-rapl:0", "package-0", max_energy_range_uj=9, energy_uj=1)
    read = Path.read_text

    def refuse(self: Path, *args: object, **options: object) -> str:
        if self.name == "energy_uj":
            raise PermissionError(errno.EACCES, "Permission denied")
        return read(self, *args, **options)

    monkeypatch.setattr(Path, "read_text", refuse)  # root may read everything
    with pytest.raises(EnvironmentFault, match="may be read by root only"):
        sensor_of(["rapl"])


def test_ina3221_takes_the_rail_of_the_whole_board(bare_machine: Path) -> None:
    rails = {"in1_label": "VDD_IN", "in1_input": 5000, "curr1_input": 1200,
             "in2_label": "VDD_CPU_GPU_CV", "in2_input": 5000, "curr2_input": 300}  # fmt: skip
    tree(bare_machine / "hwmon" / "hwmon0", name="coretemp")
    chip = tree(bare_machine / "hwmon" / "hwmon1", name="ina3221", **rails)
    sensor = sensor_of(["ina3221"])
    assert (sensor.name, sensor.unit, sensor.read()) == ("INA3221 VDD_IN", "W", 6.0)
    tree(chip, curr1_input=-1200)  # a shunt soldered the other way round
    assert sensor.read() == 6.0
    tree(chip, in1_label="VDD_OTHER")
    with pytest.raises(EnvironmentFault, match="rails: VDD_OTHER, VDD_CPU_GPU_CV"):
        sensor_of(["ina3221"])


def test_any_hwmon_in_microwatts(bare_machine: Path) -> None:
    tree(bare_machine / "hwmon" / "hwmon0", name="amdgpu", power1_average=7_250_000)
    assert sensor_of(["hwmon"]).read() == 7.25
    tree(bare_machine / "hwmon" / "hwmon1", name="other", power1_input=1)
    with pytest.raises(EnvironmentFault, match="name one by the profile's key 'sensor'"):
        sensor_of(["hwmon"])


def test_a_file_that_holds_no_number(bare_machine: Path) -> None:
    tree(bare_machine / "hwmon" / "hwmon0", name="odd", power1_input="lots")
    with pytest.raises(EnvironmentFault, match="holds no whole number: 'lots'"):
        sensor_of(["hwmon"])


def test_the_pmic_sums_its_rails(bare_machine: Path) -> None:
    program(bare_machine, "vcgencmd", PMIC)
    assert sensor_of(["pi-pmic"]).read() == pytest.approx(0.37 + 0.66 + 1.2)
    program(bare_machine, "vcgencmd", "error=1 error_msg='Command not registered'")
    with pytest.raises(EnvironmentFault, match="tells no rail"):
        sensor_of(["pi-pmic"])
    program(bare_machine, "vcgencmd", "", code=3)
    with pytest.raises(EnvironmentFault, match="failed with code 3"):
        sensor_of(["pi-pmic"])


@pytest.mark.parametrize(
    ("current", "voltage"),
    [(-250_000, 4_000_000), (250_000, 4_000_000), (-250, 4_000_000), (250_000, 4000)],
)
def test_the_battery_whatever_its_sign_and_unit(
    bare_machine: Path, current: int, voltage: int
) -> None:
    tree(bare_machine / "battery", status="Discharging", current_now=current, voltage_now=voltage)
    assert sensor_of(["android-battery"]).read() == pytest.approx(1.0)


def test_a_battery_that_charges_tells_nothing(bare_machine: Path) -> None:
    tree(bare_machine / "battery", status="Charging", current_now=1, voltage_now=1)
    with pytest.raises(EnvironmentFault, match="'Charging'; unplug the device"):
        sensor_of(["android-battery"])


def test_the_battery_by_dumpsys(bare_machine: Path) -> None:
    program(bare_machine, "dumpsys", DUMPSYS.format(plugged="false"))
    sensor = sensor_of(["android-battery"])
    assert (sensor.name, sensor.read()) == ("battery by dumpsys", pytest.approx(1.0))
    program(bare_machine, "dumpsys", DUMPSYS.format(plugged="true"))
    with pytest.raises(EnvironmentFault, match="'usb powered' is true; unplug"):
        sensor_of(["android-battery"])
    program(bare_machine, "dumpsys", "  voltage: 4000")
    with pytest.raises(EnvironmentFault, match="tells no current"):
        sensor_of(["android-battery"])


@pytest.mark.parametrize(
    ("printed", "unit", "value"),
    [("2.5", "W", 2.5), ("2500 mW", "W", 2.5), ("3e3mJ", "J", 3.0), ("0.5 Wh", "J", 1800.0)],
)
def test_a_command_of_the_users(bare_machine: Path, printed: str, unit: str, value: float) -> None:
    program(bare_machine, "meter", printed)
    sensor = sensor_of([], "meter --port 'a b'")
    assert (sensor.unit, sensor.read()) == (unit, pytest.approx(value))


@pytest.mark.parametrize("printed", ["", "warm", "1 2", "3 V", "1e999", "--1"])
def test_a_command_that_prints_nonsense(bare_machine: Path, printed: str) -> None:
    program(bare_machine, "meter", printed)
    with pytest.raises(EnvironmentFault, match="printed"):
        sensor_of([], "meter")


def test_a_command_that_is_missing_or_changes_its_unit(bare_machine: Path) -> None:
    with pytest.raises(EnvironmentFault, match="there is no program 'meter'"):
        sensor_of([], "meter")
    program(bare_machine, "meter", "3 W")
    sensor = sensor_of([], "meter")
    program(bare_machine, "meter", "3 J")
    with pytest.raises(EnvironmentFault, match="unit changed from W to J"):
        sensor.read()


@pytest.mark.parametrize(("command", "told"), [("meter 'x", "No closing"), (" ", "is empty")])
def test_what_is_no_command(command: str, told: str) -> None:
    with pytest.raises(EnvironmentFault, match=told):
        sensor_of([], command)


def test_a_command_that_hangs(bare_machine: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(power_commands, "_TIMEOUT_S", 0.1)
    with pytest.raises(EnvironmentFault, match=r"no answer in 0.1 s"):
        sensor_of([], "/bin/sleep 60")


def test_nothing_to_read_says_why_of_each(bare_machine: Path) -> None:
    with pytest.raises(EnvironmentFault) as caught:
        sensor_of([])
    for name in ("rapl", "ina3221", "pi-pmic", "android-battery", "hwmon"):
        assert f"{name}: " in str(caught.value)
    with pytest.raises(UsageError, match="no sensor is called 'nose'"):
        sensor_of(["nose"])
