"""What the package's runtime needs: versions pinned, and each wheel's hash where it is known.

wheels.json is written by scripts/lock-wheels and holds the hashes of the wheels for some Pythons
and machines, by the runtime that they are for and their name and version.
"""

import json
from dataclasses import dataclass
from functools import cache
from importlib.resources import files as resources

from pydantic import JsonValue

from pipeline.package.contents import installed
from pipeline.package.manifest import Section
from pipeline.package.sbom import Library

NUMPY = "numpy"
_UNKNOWN = (
    "the hashes of {versions} are not among those that this edgesmith knows (it knows those of "
    "{known}); pip takes what its index has"
)


class _Lock(Section):
    """wheels.json."""

    pythons: tuple[str, ...]
    machines: tuple[str, ...]
    runtimes: dict[str, dict[str, dict[str, str]]]


@dataclass(frozen=True)
class Requirements:
    """What is pinned.

    Attributes:
        wheels: sha256 by file name, for each name==version; none where they are unknown.
        pythons, machines: what there are hashes for; empty where they are unknown.
        unavailable: why there are no hashes; else empty.
    """

    wheels: dict[str, dict[str, str]]
    pythons: tuple[str, ...] = ()
    machines: tuple[str, ...] = ()
    unavailable: str = ""

    @property
    def libraries(self) -> list[Library]:
        """For the bill of materials; with a hash where there is one wheel for all machines."""
        return [_library(pin, tuple(known.values())) for pin, known in self.wheels.items()]

    @property
    def text(self) -> bytes:
        """requirements.txt: with hashes, by which pip refuses every other file."""
        told = "# The versions that the golden vectors were made with.\n"
        if self.unavailable:
            return (told + f"# No hashes: {self.unavailable}.\n" + _lines(self.wheels)).encode()
        told += f"# For Python {', '.join(self.pythons)} on {' and '.join(self.machines)}.\n"
        return (told + _lines(self.wheels)).encode()

    @property
    def details(self) -> JsonValue:
        """What the manifest tells of them."""
        if self.unavailable:
            return {"unavailable": self.unavailable}
        pythons: list[JsonValue] = list(self.pythons)
        machines: list[JsonValue] = list(self.machines)
        return {"pythons": pythons, "machines": machines, "wheels": _json(self.wheels)}


def requirements(distribution: str) -> Requirements:
    """What a runtime needs, at the versions that are installed here.

    Raises EnvironmentFault where the runtime or numpy is not installed.
    """
    pins = [f"{name}=={installed(name)}" for name in (distribution, NUMPY)]
    lock = _lock()
    known = lock.runtimes.get(distribution, {})
    if all(pin in known for pin in pins):
        return Requirements(known, lock.pythons, lock.machines)
    reason = _UNKNOWN.format(
        versions=" and ".join(pin for pin in pins if pin not in known),
        known=", ".join(pin for pin in known if pin.split("==")[0] in (distribution, NUMPY)),
    )
    return Requirements({pin: {} for pin in sorted(pins)}, unavailable=reason)


@cache
def _lock() -> _Lock:
    content = resources("pipeline.package.linux").joinpath("wheels.json").read_bytes()
    return _Lock.model_validate(json.loads(content))


def _library(pin: str, hashes: tuple[str, ...]) -> Library:
    name, _, version = pin.partition("==")
    return Library("pypi", name, version, hashes[0] if len(hashes) == 1 else None)


def _lines(wheels: dict[str, dict[str, str]]) -> str:
    return "".join(
        " \\\n    ".join([pin, *(f"--hash=sha256:{one}" for one in sorted(known.values()))]) + "\n"
        for pin, known in wheels.items()
    )


def _json(wheels: dict[str, dict[str, str]]) -> dict[str, JsonValue]:
    return {pin: dict(known) for pin, known in wheels.items()}
