"""A device's profile: what it is, how it is reached and which runtimes it has.

Read by every command, so it imports only pydantic and yaml.
"""

import os
import platform
from difflib import get_close_matches
from pathlib import Path
from typing import Literal

import yaml
from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from targets.errors import UsageError

Runtime = Literal["tflite", "openvino", "onnxruntime"]
Activations = Literal["int8", "uint8"]

SHIPPED = Path(__file__).parent / "devices"
TAKES_EITHER: tuple[Runtime, ...] = ("onnxruntime",)
"""Runtimes with 8-bit kernels of both types of activations; the others have int8's only."""
_X86 = ("x86_64", "AMD64", "i686")


class DeviceProfile(BaseModel):
    """One device. `arch` is a machine name as `uname -m` gives it; "host" becomes this one's.

    `activations` says in which 8-bit type a runtime wants a quantized model's activations, where
    that differs from what `activations_for` takes by default.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    name: str
    description: str = ""
    link: Literal["local", "ssh", "adb"] = "local"
    arch: str = Field(default="host", validate_default=True)
    runtimes: tuple[Runtime, ...] = Field(min_length=1)
    threads: int = Field(default=1, ge=1)
    activations: dict[Runtime, Activations] = Field(default_factory=dict)
    sources: tuple[str, ...] = ()

    @field_validator("arch")
    @classmethod
    def _resolved(cls, arch: str) -> str:
        return platform.machine() if arch == "host" else arch

    def activations_for(self, runtime: str) -> Activations:
        """The 8-bit type of activations: uint8 for ONNX Runtime on x86, whose int8 is slower."""
        for name, stated in self.activations.items():
            if name == runtime:
                return stated
        return "uint8" if self._prefers_unsigned(runtime) else "int8"

    def _prefers_unsigned(self, runtime: str) -> bool:
        return runtime == "onnxruntime" and self.arch in _X86


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
    if name in files:
        return _read(files[name], name)
    near = get_close_matches(name, files, 1)
    hint = f"; did you mean '{near[0]}'?" if near else "."
    raise UsageError(f"no device is called '{name}'{hint} Known devices: {', '.join(names())}")


def _files() -> dict[str, Path]:
    folders = (SHIPPED, own_folder())
    return {file.stem: file for folder in folders for file in sorted(folder.glob("*.yaml"))}


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
