"""A device's profile: what it is, how it is reached and which runtimes it has.

Read by every command, so it imports only pydantic and yaml.
"""

import os
import platform
import re
import shlex
from difflib import get_close_matches
from pathlib import Path
from typing import Annotated, Literal

import yaml
from pydantic import (
    AfterValidator,
    BaseModel,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    field_validator,
    model_validator,
)

from targets.address import AdbAddress, SshAddress
from targets.budget import Budget
from targets.errors import UsageError

Runtime = Literal["tflite", "openvino", "onnxruntime"]
Activations = Literal["int8", "uint8"]
Precision = Literal["fp32", "fp16", "bf16", "int8", "int4"]
LinkKind = Literal["local", "ssh", "adb", "emulated", "none"]
Sensor = Literal["rapl", "ina3221", "hwmon", "pi-pmic", "android-battery"]
VendorRuntime = Literal["tflite", "onnxruntime"]


def _descending(path: str) -> str:
    if ".." in path.split("/"):
        raise ValueError("a path on a device has no '..'")
    return path


RemotePath = Annotated[
    str,
    StringConstraints(pattern=r"^(~/)?[A-Za-z0-9/_][A-Za-z0-9/_.-]*$", max_length=200),
    AfterValidator(_descending),
]
"""A folder; one below ~ is in the home of the device's user."""
ProgramPath = Annotated[
    str,
    StringConstraints(pattern=r"^[A-Za-z0-9/_][A-Za-z0-9/_.-]*$", max_length=200),
    AfterValidator(_descending),
]
"""A program: what runs it knows no ~."""

SHIPPED = Path(__file__).parent / "devices"
TAKES_EITHER: tuple[Runtime, ...] = ("onnxruntime",)
"""Runtimes with 8-bit kernels of both types of activations; the others have int8's only."""
NAME = re.compile(r"[a-z0-9-]{1,63}")
_X86 = ("x86_64", "AMD64", "i686")
_FACTS = ("soc", "cores", "memory_mb", "isa", "accelerates", "sensors")


class _Section(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")


class Cores(_Section):
    """Cores of one kind, by the numbers that Linux gives them."""

    kind: str = Field(description="The core's name, such as Cortex-A76.")
    ids: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(), description="Their numbers on Linux; empty where that is not known."
    )
    count: int = Field(ge=1, description="How many there are.")
    max_mhz: int | None = Field(default=None, gt=0, description="The highest clock in MHz.")


class VendorTool(_Section):
    """A runtime's own benchmark program, which the user put on a device that has no Python."""

    program: ProgramPath = Field(description="Where it is on the device.")


class DeviceProfile(_Section):
    """One device. `arch` is a machine name as `uname -m` gives it; "host" becomes this one's.

    `activations` says in which 8-bit type a runtime wants a quantized model's activations, where
    that differs from what `activations_for` takes by default. `sources` says for each fact where
    it was found.
    """

    name: Annotated[str, StringConstraints(pattern=r"^[a-z0-9-]{1,63}$")]
    description: str = ""
    link: LinkKind = Field(default="local", description="How it is reached; none: estimates only.")
    ssh: SshAddress | None = Field(default=None, description="Where its SSH server is.")
    adb: AdbAddress | None = Field(default=None, description="Its serial.")
    folder: RemotePath | None = Field(
        default=None, description="Where our folder, edgesmith, is on the device."
    )
    python: str | None = Field(default=None, description="The device's Python, 3.9 or newer.")
    arch: str = Field(default="host", validate_default=True)
    soc: str = ""
    cores: tuple[Cores, ...] = ()
    pin: tuple[Annotated[int, Field(ge=0)], ...] = Field(
        default=(), description="Cores that are measured on, by number; empty: any."
    )
    memory_mb: int | None = Field(default=None, gt=0)
    isa: tuple[str, ...] = Field(default=(), description="Extensions, as /proc/cpuinfo names them.")
    runtimes: tuple[Runtime, ...] = Field(min_length=1)
    accelerates: dict[Runtime, tuple[Precision, ...]] = Field(
        default_factory=dict, description="Precisions that a runtime has instructions for there."
    )
    vendor: dict[VendorRuntime, VendorTool] = Field(default_factory=dict)
    threads: int = Field(default=1, ge=1)
    activations: dict[Runtime, Activations] = Field(default_factory=dict)
    sensors: tuple[Sensor, ...] = Field(default=(), description="What energy can be read by.")
    sensor: str | None = Field(
        default=None, description="A command on the device that prints its power in watts."
    )
    budget: Budget = Field(default_factory=Budget, description="Judged by where none is stated.")
    sources: dict[str, str] = Field(default_factory=dict)

    @field_validator("arch")
    @classmethod
    def _resolved(cls, arch: str) -> str:
        return platform.machine() if arch == "host" else arch

    @field_validator("sensor")
    @classmethod
    def _a_command(cls, sensor: str | None) -> str | None:
        if sensor is not None and ("\0" in sensor or not shlex.split(sensor)):
            raise ValueError("no command; write a program and its arguments, as a shell takes them")
        return sensor

    @model_validator(mode="after")
    def _consistent(self) -> "DeviceProfile":
        if (self.ssh and self.link != "ssh") or (self.adb and self.link != "adb"):
            raise ValueError(f"an address of another link than '{self.link}'")
        known = {number for cores in self.cores for number in cores.ids}
        if known and not known.issuperset(self.pin):
            raise ValueError(f"pin {list(self.pin)} names cores that the profile does not have")
        unknown = sorted(set(self.sources) - set(type(self).model_fields) - {"all"})
        if unknown:
            raise ValueError(f"sources of unknown facts: {', '.join(unknown)}")
        return self

    @property
    def provenance(self) -> str:
        """Where numbers come from that are measured over its link."""
        return "emulated" if self.link == "emulated" else "measured-on-device"

    @property
    def patience(self) -> float:
        """How many times longer than elsewhere an answer may take: emulation is slow."""
        return 20.0 if self.link == "emulated" else 1.0

    @property
    def seat(self) -> str:
        """What one job at a time may use: the device, or this machine where it is what runs."""
        return "host" if self.link in ("local", "emulated") else self.name

    def unsourced(self) -> list[str]:
        """Facts that are stated without saying where they were found."""
        stated = [name for name in _FACTS if getattr(self, name)]
        return [name for name in stated if name not in self.sources and "all" not in self.sources]

    def activations_for(self, runtime: str) -> Activations:
        """The 8-bit type of activations: uint8 for ONNX Runtime on x86, whose int8 is slower."""
        for name, stated in self.activations.items():
            if name == runtime:
                return stated
        return "uint8" if self._prefers_unsigned(runtime) else "int8"

    def _prefers_unsigned(self, runtime: str) -> bool:
        return runtime == "onnxruntime" and self.arch in _X86


def check_name(name: str) -> str:
    """The name, if a device may have it. Raises UsageError."""
    if NAME.fullmatch(name):
        return name
    raise UsageError(
        f"{name!r} can't name a device; allowed: 1 to 63 of the letters a-z, digits and dashes"
    )


def own_folder() -> Path:
    """Where the user's own profiles are: $XDG_CONFIG_HOME/edgesmith/devices."""
    config = os.environ.get("XDG_CONFIG_HOME") or Path.home() / ".config"
    return Path(config) / "edgesmith" / "devices"


def names() -> list[str]:
    """The names of all profiles, shipped and the user's own, sorted."""
    return sorted(_files())


def load(name: str) -> DeviceProfile:
    """The profile of this name; the user's own goes before a shipped one.

    Raises UsageError with the nearest name where there is none, and for a broken file.
    """
    files = _files()
    check_name(name)
    if name in files:
        return _read(files[name], name)
    near = get_close_matches(name, files, 1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    raise UsageError(f"no device is called '{name}'{hint} Known devices: {', '.join(names())}")


def _files() -> dict[str, Path]:
    folders = (SHIPPED, own_folder())
    found = {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}
    return {name: file for name, file in found.items() if NAME.fullmatch(name)}


def _read(file: Path, name: str) -> DeviceProfile:
    try:
        profile = DeviceProfile.model_validate(yaml.safe_load(file.read_text(encoding="utf-8")))
    except ValidationError as error:
        raise UsageError("\n".join(_told(file, error))) from error
    except (OSError, ValueError, yaml.YAMLError) as error:
        raise UsageError(f"device file {file} can't be read: {error}") from error
    if profile.name != name:
        raise UsageError(f"device file {file}: key 'name': found '{profile.name}'; allowed: {name}")
    return profile


def _told(file: Path, error: ValidationError) -> list[str]:
    return [
        f"device file {file}: key '{'.'.join(map(str, each['loc']))}': {each['msg']}; "
        f"found {each['input']!r}"
        for each in error.errors()
    ]
