"""From a device's profile to the link that reaches it."""

import json
import platform
from weakref import WeakValueDictionary

from targets.device import DeviceProfile
from targets.errors import DeviceUnreachable, UsageError
from targets.link.contract import Link, Shell
from targets.link.local import Local
from targets.link.place import Place
from targets.link.remote import Remote

_open: WeakValueDictionary[str, Local | Remote] = WeakValueDictionary()
"""One link to each device, as long as anybody uses it: its session opens once."""


def link_to(device: DeviceProfile) -> Link:
    """The link that the profile names; a remote device is reached at first need.

    Raises UsageError for a profile without an address, and DeviceUnreachable where it does not fit
    this machine or is for estimates only.
    """
    key = json.dumps(device.model_dump(mode="json"), sort_keys=True)
    link = _open.get(key)
    if link is None:
        link = _open[key] = _made(device)
    return link


def _made(device: DeviceProfile) -> Local | Remote:
    if device.link == "ssh":
        return Remote(lambda: _ssh(device), _place(device, "~/.cache/edgesmith"))
    if device.link == "adb":
        return Remote(lambda: _adb(device), _place(device, "/data/local/tmp/edgesmith"))
    if device.link == "none":
        raise DeviceUnreachable(
            f"device '{device.name}' is for estimates only: its profile has no link to measure by"
        )
    return _local(device)


def _local(device: DeviceProfile) -> Local:
    if device.link == "local" and device.arch != platform.machine():
        raise DeviceUnreachable(
            f"device '{device.name}' is {device.arch} and its link is this machine, "
            f"which is {platform.machine()}"
        )
    return Local() if device.python is None else Local(device.python)


def _place(device: DeviceProfile, root: str) -> Place:
    return Place(device.name, device.folder or root, device.python or "python3")


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
