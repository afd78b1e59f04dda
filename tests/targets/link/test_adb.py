"""ADB where there is no device, no program, or an address that is none."""

from pathlib import Path

import pytest

from targets.address import AdbAddress
from targets.errors import DeviceUnreachable, EnvironmentFault, UsageError
from targets.link.adb import AdbShell


def test_a_device_that_is_not_there_is_told(adbd) -> None:
    with pytest.raises(DeviceUnreachable, match=r"1234 can't be reached by ADB: .*adb devices"):
        AdbShell(AdbAddress(serial="1234"))
    address = adbd.address
    adbd.stop()
    with pytest.raises(DeviceUnreachable, match=f"{address.serial} can't be reached by ADB"):
        AdbShell(address)


def test_without_the_program_the_cure_is_told(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(EnvironmentFault, match="apt-get install adb"):
        AdbShell(AdbAddress(serial="1234"))


@pytest.mark.parametrize("serial", ["", "a b", "-s", "$(reboot)", "x;y"])
def test_a_serial_with_characters_of_the_shell_is_refused(serial: str) -> None:
    with pytest.raises(UsageError, match="no serial"):
        AdbAddress.stated(serial)
