"""`edgesmith devices add|probe|remove`: your own profiles, written from what a device says."""

from dataclasses import dataclass
from pathlib import Path
from typing import Any

import yaml
from rich.table import Table

from pipeline.console import Console
from pipeline.disk import atomic_write, environment_faults
from pipeline.printing import print_json
from pipeline.terminal import Terminal
from targets import device as devices
from targets.address import AdbAddress, SshAddress
from targets.device import DeviceProfile, check_name
from targets.errors import DeviceUnreachable, EnvironmentFault, UsageError
from targets.link.connect import forget, link_to
from targets.occupancy import occupied
from targets.probe import Probe, probe

_GENERIC = {"ssh": "linux-arm64", "adb": "android-arm64"}
_PROBED = "probed on the device itself"
_FOUND = ("cores", "memory_mb", "isa", "sensors")


@dataclass(frozen=True)
class Asked:
    """What `devices add` was asked for; None: not stated.

    `like` is a profile that says what such a device mostly has; the rest are keys of profiles.
    """

    name: str
    ssh: str | None = None
    adb: str | None = None
    like: str | None = None
    key_file: str | None = None
    jump: str | None = None
    folder: str | None = None
    python: str | None = None

    def profile(self) -> DeviceProfile:
        """The profile that the new one is like, with the new name and address.

        Raises UsageError where not exactly one address is given, or a key can't be what it is.
        """
        if (self.ssh is None) == (self.adb is None):
            raise UsageError("say where the device is: --ssh user@host[:port], or --adb SERIAL")
        kind = "ssh" if self.ssh is not None else "adb"
        base = devices.load(self.like or _GENERIC[kind]).model_dump(mode="json", exclude_none=True)
        stated = {"name": self.name, "link": kind, kind: self._address().model_dump()}
        rest = {"folder": self.folder, "python": self.python}
        stated |= {key: value for key, value in rest.items() if value is not None}
        try:
            return DeviceProfile.model_validate({**base, **stated})
        except ValueError as error:
            raise UsageError(f"no device can be like that: {error}") from error

    def _address(self) -> SshAddress | AdbAddress:
        if self.ssh is None:
            return AdbAddress.stated(str(self.adb))
        if self.jump is not None:
            SshAddress.stated(self.jump)
        found = SshAddress.stated(self.ssh)
        return found.model_copy(update={"jump": self.jump, "key_file": self._key()})

    def _key(self) -> str | None:
        if self.key_file is None:
            return None
        path = Path(self.key_file).expanduser().resolve()
        if not path.is_file():
            raise UsageError(f"{path}: no such key")
        return str(path)


def add(asked: Asked, as_json: bool) -> int:
    """Reaches a device, asks what it is, and writes a profile of it.

    Raises:
        UsageError: the name can't be one or is taken, or not exactly one address is given.
        DeviceUnreachable: it does not answer; nothing is written then.
    """
    name, like = check_name(asked.name), asked.like
    file = devices.own_folder() / f"{name}.yaml"
    if name in devices.names():
        cure = f"`edgesmith devices remove {name}`" if file.exists() else "choose another name"
        raise UsageError(f"there is a device called '{name}' already; {cure}")
    profile = asked.profile()
    with Console() as console:
        console.step(f"asking {asked.ssh or asked.adb} what it is")
        found = _asked(profile, console)
        if found.arch != profile.arch and like is not None:
            raise UsageError(
                f"'{like}' is {profile.arch} and '{name}' is {found.arch}; choose another --like, "
                "or leave it out"
            )
        written = _described(profile, found, like)
    _write(file, written)
    return show_probe(written, found, as_json, f"wrote {file}")


def ask(name: str, as_json: bool) -> int:
    """Asks a device what it is and prints that; writes nothing."""
    profile = devices.load(name)
    with Console() as console:
        found = _asked(profile, console)
    return show_probe(profile, found, as_json, "")


def remove(name: str, as_json: bool) -> int:
    """Removes the user's own profile, and what was kept on the device if it answers.

    Raises UsageError for a name that is none of the user's own.
    """
    file = devices.own_folder() / f"{check_name(name)}.yaml"
    if not file.exists():
        shipped = " (it came with edgesmith)" if name in devices.names() else ""
        raise UsageError(f"no device of yours is called '{name}'{shipped}")
    told = _forgotten(name)
    with environment_faults(file):
        file.unlink()
    if as_json:
        print_json({"removed": str(file), "on_device": told})
    else:
        Terminal().print(f"removed {file}; on the device: {told}")
    return 0


def show_probe(profile: DeviceProfile, found: Probe, as_json: bool, last: str) -> int:
    """Prints what a device said of itself."""
    facts = facts_of(found)
    if as_json:
        print_json({"profile": profile.model_dump(mode="json"), "probe": facts})
        return 0
    table = Table(box=None, show_header=False, pad_edge=False)
    for key, value in facts.items():
        table.add_row(key, str(value))
    console = Terminal()
    console.print(table)
    if last:
        console.print(last)
    return 0


def facts_of(found: Probe) -> dict[str, Any]:
    """A probe in the terms of a person; what is not there is "unavailable"."""
    none = "unavailable"
    return {
        "system": found.first("uname"),
        "model": found.first("model") or found.first("android") or none,
        "cpu": found.cpu,
        "cores": found.core_count,
        "max_mhz": found.max_mhz or none,
        "memory_mb": found.memory_mb or none,
        "isa": " ".join(found.isa) or none,
        "glibc": ".".join(map(str, found.glibc or ())) or none,
        "governor": found.first("governor") or none,
        "thermal_zones": len(found.parts.get("thermal", ())) or none,
        "sensors": ", ".join(found.sensors) or none,
        "python": ".".join(map(str, found.python or ())) or none,
        "packages": ", ".join(f"{name} {version}" for name, version in found.installed.items())
        or none,
    }


def _asked(profile: DeviceProfile, console: Console) -> Probe:
    with occupied(profile.seat, console.remark):
        return probe(link_to(profile))


def _described(profile: DeviceProfile, found: Probe, like: str | None) -> DeviceProfile:
    """The profile with what the device says of itself in place of what its kind mostly has."""
    seen: dict[str, Any] = {"arch": found.arch}
    if found.memory_mb:
        seen["memory_mb"] = found.memory_mb
    seen["isa"] = found.isa or profile.isa
    seen["sensors"] = found.sensors or profile.sensors
    if like is None:
        core = {"kind": found.cpu, "count": found.core_count, "ids": range(found.core_count)}
        seen["cores"] = ({**core, "max_mhz": found.max_mhz},)
        seen["soc"] = found.first("model")
        seen["description"] = f"{found.first('model') or found.cpu}, added by its owner"
    sources = {**profile.sources, **{name: _PROBED for name in (*_FOUND, "soc") if name in seen}}
    document = profile.model_dump(mode="json", exclude_none=True)
    return DeviceProfile.model_validate({**document, **seen, "sources": sources})


def _write(file: Path, profile: DeviceProfile) -> None:
    document = profile.model_dump(mode="json", exclude_defaults=True)
    with environment_faults(file):
        file.parent.mkdir(parents=True, exist_ok=True)
    atomic_write(file, yaml.safe_dump(document, sort_keys=False, allow_unicode=True))


def _forgotten(name: str) -> str:
    """Removes what was kept on the device; says what became of that."""
    try:
        forget(devices.load(name))
    except (DeviceUnreachable, EnvironmentFault, UsageError) as error:
        return f"nothing was removed: {error}"
    return "what was kept for later is removed"
