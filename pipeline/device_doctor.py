"""`edgesmith doctor --device`: what a device lacks to be measured, and what cures it."""

import re
from collections.abc import Iterator
from pathlib import Path

from pipeline.doctor import Finding
from pipeline.wheels import Wheel, wheels_in
from targets.device import DeviceProfile
from targets.errors import DeviceUnreachable, EnvironmentFault, UsageError
from targets.link.connect import link_to
from targets.link.contract import Link
from targets.occupancy import occupied
from targets.probe import Probe, probe

LEAST_PYTHON = (3, 9)
LEAST_FREE_BYTES = 500_000_000
DISTRIBUTIONS = {
    "tflite": ("ai-edge-litert", "tflite-runtime"),
    "onnxruntime": ("onnxruntime",),
    "openvino": ("openvino",),
}
"""Distributions that a runtime's session runs with, the first being the one to install."""

LEAST_GLIBC = {"tflite": (2, 27), "onnxruntime": (2, 28), "openvino": (2, 35)}
"""Of the newest aarch64 wheels on PyPI at the time of writing (ai-edge-litert 2.3, onnxruntime
1.31, openvino 2026.4), by the manylinux tags of their file names."""

_INSTALL_S = 600.0


def examine(device: DeviceProfile) -> list[Finding]:
    """All findings on a device, in the order of what is needed first."""
    with occupied(device.seat):
        found = probe(link_to(device))
    return [
        Finding(f"link to {device.name}", "ok", f"{device.link}, {found.first('uname')}"),
        _python(device, found),
        *_packages(device, found),
        _glibc(device, found),
        _governor(found),
        _thermal(found),
        _sensors(found),
        _memory(found),
        *_disk(found),
    ]


def install(device: DeviceProfile, folder: Path) -> list[str]:
    """Puts the wheels of a folder that fit the device, and are of use there, beside its sessions.

    Returns the names of the wheels. A wheel is an archive to unpack (PEP 427): no pip is needed.

    Raises:
        EnvironmentFault: no wheel fits, saying what would; or the device refuses them.
        UsageError: the folder holds no wheels, or the device is this machine.
    """
    with occupied(device.seat):
        link = link_to(device)
        if not link.site:
            raise UsageError(f"'{device.name}' is this machine; `pip install` puts wheels here")
        found = probe(link)
        if found.python is None:
            raise EnvironmentFault(f"device '{device.name}' has no Python to install wheels for")
        fitting = [wheel for wheel in wheels_in(folder) if wheel.fits(found)]
        if not fitting:
            raise EnvironmentFault(
                f"{folder}: no wheel fits device '{device.name}': {_tags(found)}"
            )
        for wheel in fitting:
            _unpack(link, wheel)
    return [wheel.path.name for wheel in fitting]


def _unpack(link: Link, wheel: Wheel) -> None:
    there = link.push(wheel.path, f"wheels/{wheel.archive_name}")
    try:
        done = link.run(
            (link.python, "-m", "zipfile", "-e", there, link.site),
            stdin=b"",
            environment={},
            timeout_s=_INSTALL_S,
        )
    except TimeoutError as error:
        raise DeviceUnreachable(f"unpacking {wheel.path.name} there gave {error}") from error
    if done.code != 0:
        told = done.stderr.decode(errors="replace").strip().splitlines()
        raise EnvironmentFault(f"{wheel.path.name} can't be unpacked there: {told[-1:]}")


def _tags(found: Probe) -> str:
    python = "".join(map(str, (found.python or ())[:2]))
    glibc = "_".join(map(str, found.glibc or ("?",)))
    return f"it takes py3-none-any and cp{python}-manylinux_{glibc}_{found.arch} or older"


def _python(device: DeviceProfile, found: Probe) -> Finding:
    told = ".".join(map(str, found.python or ())) or "none"
    if found.python is not None and found.python >= LEAST_PYTHON:
        return Finding("python", "ok", told)
    if device.vendor:
        return Finding("python", "caveat", f"{told}; the vendor's programs are used", "nothing")
    cure = (
        "put the runtime's own benchmark there and name it in the profile's key 'vendor'"
        if found.android
        else "sudo apt-get install python3, or name one in the profile's key 'python'"
    )
    return Finding("python", "missing", f"{told}; 3.9 is the oldest that the agent runs on", cure)


def _packages(device: DeviceProfile, found: Probe) -> Iterator[Finding]:
    wanted: dict[str, tuple[str, ...]] = {
        "numpy": ("numpy",),
        **{name: DISTRIBUTIONS[name] for name in device.runtimes},
    }
    for name, choices in wanted.items():
        seen = [f"{one} {found.installed[one]}" for one in choices if one in found.installed]
        if seen:
            yield Finding(name, "ok", seen[0])
        elif name not in device.vendor:
            yield Finding(name, "missing", "not installed", _cure(device, found, choices[0]))


def _cure(device: DeviceProfile, found: Probe, distribution: str) -> str:
    version = ".".join(map(str, (found.python or (3, 11))[:2]))
    glibc = "_".join(map(str, found.glibc or (2, 28)))
    fetch = (
        f"pip download {distribution} --only-binary :all: --python-version {version} "
        f"--platform manylinux_{glibc}_{found.arch} --dest wheels"
    )
    return f"{fetch} && edgesmith doctor --device {device.name} --install wheels"


def _glibc(device: DeviceProfile, found: Probe) -> Finding:
    if found.android or found.glibc is None:
        told = "another C library" + (" (Android's)" if found.android else "")
        return Finding("glibc", "caveat", told, "PyPI's manylinux wheels do not run here")
    told = ".".join(map(str, found.glibc))
    wanting = [name for name in device.runtimes if LEAST_GLIBC[name] > found.glibc]
    if not wanting:
        return Finding("glibc", "ok", told)
    cure = f"an older release of {', '.join(wanting)}, or a newer system"
    return Finding("glibc", "caveat", f"{told}: too old for their newest wheels", cure)


def _governor(found: Probe) -> Finding:
    governor = found.first("governor")
    if governor == "performance":
        return Finding("CPU governor", "ok", governor)
    if not governor:
        told = "unavailable: the kernel shows no cpufreq"
        return Finding("CPU governor", "caveat", told, "nothing to do: timings may drift with it")
    cure = (
        "adb shell cmd power set-fixed-performance-mode-enabled true"
        if found.android
        else "echo performance | sudo tee /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor"
    )
    return Finding("CPU governor", "caveat", f"{governor}: timings drift", cure)


def _thermal(found: Probe) -> Finding:
    zones = found.parts.get("thermal", ())
    if zones:
        return Finding("thermal zones", "ok", f"{len(zones)}")
    return Finding("thermal zones", "caveat", "unavailable: none", "nothing: heat goes unnoticed")


def _sensors(found: Probe) -> Finding:
    seen = found.sensors
    if "rapl" in seen and not found.parts.get("powercap_readable"):
        cure = "sudo chmod a+r /sys/class/powercap/*/energy_uj"
        return Finding("energy sensor", "caveat", "rapl, which only root may read", cure)
    if seen:
        return Finding("energy sensor", "ok", ", ".join(seen))
    cure = "a meter's command in the profile's key 'sensor'; else limits on energy are UNVERIFIED"
    return Finding("energy sensor", "caveat", "unavailable: none", cure)


def _memory(found: Probe) -> Finding:
    if found.first("clear_refs") == "writable":
        return Finding("memory peaks", "ok", "/proc/self/clear_refs can be written")
    told = "/proc/self/clear_refs can't be written; peaks of phases are unavailable"
    return Finding("memory peaks", "caveat", told, "a kernel with CONFIG_PROC_PAGE_MONITOR")


def _disk(found: Probe) -> Iterator[Finding]:
    numbers = re.findall(r"\s(\d+)(?=\s)", found.first("disk"))
    if len(numbers) >= 3:
        free = int(numbers[2]) * 1024
        told = f"{free / 1e9:.1f} GB free"
        if free >= LEAST_FREE_BYTES:
            yield Finding("disk", "ok", told)
        else:
            yield Finding("disk", "caveat", told, "free some space, or change the key 'folder'")
