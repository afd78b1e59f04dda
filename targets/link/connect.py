"""From a device's profile to the link that reaches it."""

import json
import os
import platform
from pathlib import Path
from weakref import WeakValueDictionary

from targets.device import DeviceProfile
from targets.errors import DeviceUnreachable, EnvironmentFault, UsageError
from targets.link import scripts
from targets.link.contract import Link, Shell
from targets.link.local import Local
from targets.link.place import Place, stalled
from targets.link.remote import Remote

_FOLDERS = {"ssh": "~/.cache", "adb": "/data/local/tmp"}

_open: WeakValueDictionary[str, Local | Remote] = WeakValueDictionary()
"""One link to each device, as long as anybody uses it: its session opens once."""


def link_to(device: DeviceProfile) -> Link:
    """The link that the profile names; a remote device is reached at first need.

    Raises UsageError for a profile without an address, DeviceUnreachable where it does not fit this
    machine or is for estimates only, and EnvironmentFault where an emulated one is not set up.
    """
    key = json.dumps(device.model_dump(mode="json"), sort_keys=True)
    link = _open.get(key)
    if link is None:
        link = _open[key] = _made(device)
    return link


def forget(device: DeviceProfile) -> None:
    """Removes what was kept on a remote device between sessions, if nobody uses it.

    Raises what `link_to` raises, and DeviceUnreachable where it does not answer.
    """
    if device.link not in ("ssh", "adb"):
        return
    shell = _ssh(device) if device.link == "ssh" else _adb(device)
    try:
        shell.execute(
            scripts.forget(_root(device)), stdin=b"", timeout_s=60.0, most_bytes=1_000_000
        )
    except TimeoutError as error:
        raise stalled(device.name, error) from error
    finally:
        shell.close()


def _made(device: DeviceProfile) -> Local | Remote:
    if device.link == "ssh":
        return Remote(lambda: _ssh(device), _place(device))
    if device.link == "adb":
        return Remote(lambda: _adb(device), _place(device))
    if device.link == "none":
        raise DeviceUnreachable(
            f"device '{device.name}' is for estimates only: its profile has no link to measure by"
        )
    return _local(device)


def _local(device: DeviceProfile) -> Local:
    if device.link == "emulated":
        return Local(device.python or _emulated_python(device))
    if device.arch != platform.machine():
        raise DeviceUnreachable(
            f"device '{device.name}' is {device.arch} and its link is this machine, "
            f"which is {platform.machine()}"
        )
    return Local() if device.python is None else Local(device.python)


def _emulated_python(device: DeviceProfile) -> str:
    """Where scripts/emulate-aarch64 puts it."""
    data = os.environ.get("XDG_DATA_HOME") or Path.home() / ".local" / "share"
    python = Path(data) / "edgesmith" / device.name / "python"
    if not python.exists():
        raise EnvironmentFault(
            f"device '{device.name}' is not set up on this machine; run scripts/emulate-aarch64"
        )
    return str(python)


def _place(device: DeviceProfile) -> Place:
    return Place(device.name, _root(device), device.python or "python3")


def _root(device: DeviceProfile) -> str:
    """A folder of our own, always: sessions are swept there, and the profile's may hold more."""
    folder = device.folder or _FOLDERS[device.link]
    return f"{folder.rstrip('/')}/edgesmith"


def _ssh(device: DeviceProfile) -> Shell:
    from targets.link.pins import Pins, own_file
    from targets.link.ssh import SshShell

    if device.ssh is None:
        raise _no_address(device, "--ssh user@host")
    return SshShell(device.ssh, Pins(own_file()))


def _adb(device: DeviceProfile) -> Shell:
    from targets.link.adb import AdbShell

    if device.adb is None:
        raise _no_address(device, "--adb SERIAL")
    return AdbShell(device.adb)


def _no_address(device: DeviceProfile, option: str) -> UsageError:
    return UsageError(
        f"device '{device.name}' says what such a device is, not where yours is; "
        f"`edgesmith devices add NAME {option} --like {device.name}` makes a profile of yours"
    )
