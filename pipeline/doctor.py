"""Examines this machine: what edgesmith needs of it, what is missing, and the cure."""

import os
import platform
import re
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from importlib import metadata
from pathlib import Path
from typing import Literal

from pipeline.tools import processor
from targets import device as devices
from targets.errors import UsageError

Status = Literal["ok", "caveat", "missing"]

RUNTIME_MODULES = {
    "ai-edge-litert": "ai_edge_litert.interpreter",
    "openvino": "openvino",
    "onnxruntime": "onnxruntime",
}
"""The module of each runtime's distribution that is imported to try it."""

INT8_FEATURES = ("avx512_vnni", "avx_vnni", "amx_int8", "asimddp", "i8mm")
COMPILERS = ("c++", "g++", "clang++")
LEAST_FREE_BYTES = 2_000_000_000
IMPORT_TIMEOUT_S = 120


@dataclass(frozen=True)
class Finding:
    """One thing that was looked at.

    Attributes:
        name: what it is.
        status: "ok"; "caveat": all works, results may suffer; "missing": something will fail.
        found: what was found.
        cure: the command or the step that cures it; "" where nothing is to be done.
    """

    name: str
    status: Status
    found: str
    cure: str = ""


def examine() -> list[Finding]:
    """All findings, in the order of what is needed first. Takes seconds: runtimes are imported."""
    return [
        _python(),
        *_distributions(),
        *_runtimes(),
        _native(),
        _compiler(),
        _cpu(),
        _load(),
        _governor(),
        _memory_peaks(),
        _energy(),
        *_disks(),
        *_profiles(),
    ]


def _python() -> Finding:
    found = platform.python_version()
    if platform.python_version_tuple()[:2] == ("3", "11"):
        return Finding("python", "ok", found)
    return Finding("python", "missing", found, "install Python 3.11 and run scripts/edgesmith")


def _distributions() -> Iterator[Finding]:
    try:
        wanted = metadata.requires("edgesmith") or []
    except metadata.PackageNotFoundError:
        cure = "python -m pip install . (in the clone), or run scripts/edgesmith"
        yield Finding("edgesmith", "missing", "not installed", cure)
        return
    for requirement in wanted:
        if "extra ==" not in requirement:
            yield distribution(requirement)


def distribution(requirement: str) -> Finding:
    """Whether a distribution is installed in a version that is wanted, such as "torch>=2,<3"."""
    match = re.match(r"[\w.-]+", requirement)
    name = match.group() if match else requirement
    bounds = requirement.removeprefix(name).partition(";")[0].strip()
    cure = f"python -m pip install '{name}{bounds}'"
    try:
        found = metadata.version(name)
    except metadata.PackageNotFoundError:
        return Finding(name, "missing", "not installed", cure)
    for relation, bound in re.findall(r"(>=|<)\s*([\d.]+)", bounds):
        if (_numbers(found) >= _numbers(bound)) != (relation == ">="):
            return Finding(name, "missing", f"{found}, wanted {relation}{bound}", cure)
    return Finding(name, "ok", found)


def _numbers(version: str) -> list[int]:
    """The release numbers, in steps that compare: 2.13.0+cpu is [2, 13]; trailing zeros go."""
    match = re.match(r"\d+(\.\d+)*", version)
    numbers = [int(part) for part in match.group().split(".")] if match else []
    while numbers and numbers[-1] == 0:
        numbers.pop()
    return numbers


def _runtimes() -> Iterator[Finding]:
    for distribution_name, module in RUNTIME_MODULES.items():
        yield importable(distribution_name, module)


def importable(distribution_name: str, module: str) -> Finding:
    """Whether a module can be imported, tried in a child: a broken native library may crash it."""
    command = [sys.executable, "-c", "import importlib, sys; importlib.import_module(sys.argv[1])"]
    name = f"import {module}"
    cure = f"python -m pip install --force-reinstall {distribution_name}"
    try:
        done = subprocess.run(
            [*command, module],
            capture_output=True,
            text=True,
            timeout=IMPORT_TIMEOUT_S,
            check=False,
        )
    except subprocess.TimeoutExpired:
        return Finding(name, "missing", f"importing took over {IMPORT_TIMEOUT_S} s", cure)
    if done.returncode == 0:
        return Finding(name, "ok", "can be imported")
    last = (done.stderr.strip().splitlines() or [f"exit status {done.returncode}"])[-1]
    return Finding(name, "missing", f"can't be imported: {last}", cure)


def _native() -> Finding:
    """OpenVINO's own quantizer, which nothing but `engine: native` and `auto` asks for."""
    try:
        return Finding("nncf", "ok", metadata.version("nncf"))
    except metadata.PackageNotFoundError:
        lacking = "not installed: 'engine: native' and 'auto' can't quantize for openvino"
        return Finding("nncf", "caveat", lacking, "python -m pip install 'edgesmith[nncf]'")


def _compiler() -> Finding:
    found = next((path for name in COMPILERS if (path := shutil.which(name))), None)
    if found:
        return Finding("C++ compiler", "ok", found)
    cure = "apt-get install g++ (Debian, Ubuntu); another system: a C++ compiler on the PATH"
    return Finding(
        "C++ compiler", "caveat", "none on the PATH: torch.compile is not available", cure
    )


def _cpu() -> Finding:
    found = [feature for feature in INT8_FEATURES if feature in _cpu_flags()]
    cores = len(os.sched_getaffinity(0))
    told = f"{processor()}, {cores} cores, int8: {', '.join(found) or 'no instructions of its own'}"
    if found:
        return Finding("CPU", "ok", told)
    return Finding("CPU", "caveat", told, "nothing to do: expect int8 to be hardly faster here")


def _cpu_flags() -> set[str]:
    lines = _read("/proc/cpuinfo").splitlines()
    named = [line for line in lines if line.lower().startswith(("flags", "features"))]
    return set(named[0].partition(":")[2].split()) if named else set()


def _load() -> Finding:
    load, cores = os.getloadavg()[0], len(os.sched_getaffinity(0))
    told = f"load {load:.2f} on {cores} cores"
    if load < cores / 2:
        return Finding("idleness", "ok", told)
    cure = "end other programs before measuring: shared cores make verdicts INVALID or INCONCLUSIVE"
    return Finding("idleness", "caveat", told, cure)


def _governor() -> Finding:
    found = _read("/sys/devices/system/cpu/cpu0/cpufreq/scaling_governor").strip()
    if not found:
        told = "unavailable: the kernel shows no cpufreq (a virtual machine?)"
        return Finding("CPU governor", "caveat", told, "nothing to do: timings may drift with it")
    if found == "performance":
        return Finding("CPU governor", "ok", found)
    cure = "sudo cpupower frequency-set --governor performance"
    return Finding("CPU governor", "caveat", f"{found}: timings drift", cure)


def _memory_peaks() -> Finding:
    """Memory is measured in phases, between which the peak is reset."""
    name, path = "memory peaks", Path("/proc/self/clear_refs")
    try:
        path.write_text("5")
    except OSError as error:
        told = f"{path} can't be written: {error.strerror}; peak memory will be unavailable"
        return Finding(name, "caveat", told, "run on Linux with /proc writable")
    return Finding(name, "ok", f"{path} can be written")


def _energy() -> Finding:
    counters = sorted(Path("/sys/class/powercap").glob("*/energy_uj"))
    if any(os.access(path, os.R_OK) for path in counters):
        return Finding("energy sensor", "ok", str(counters[0]))
    told = "unavailable: powercap is not readable" if counters else "unavailable: no powercap"
    cure = "sudo chmod a+r /sys/class/powercap/*/energy_uj" if counters else "nothing to do"
    return Finding("energy sensor", "caveat", told, f"{cure}: limits on energy stay UNVERIFIED")


def _disks() -> Iterator[Finding]:
    yield disk("disk here", Path.cwd())
    name = "disk for temporaries"
    try:
        yield disk(name, Path(tempfile.gettempdir()))
    except OSError as error:
        yield Finding(name, "missing", str(error), "free some space, or set TMPDIR to a folder")


def disk(name: str, path: Path) -> Finding:
    """Whether a folder can be written and has room for a run."""
    free = shutil.disk_usage(path).free
    if not os.access(path, os.W_OK):
        cure = "change to a folder that you may write, or give one with --out"
        return Finding(name, "caveat", f"{path} can't be written", cure)
    told = f"{free / 1e9:.1f} GB free"
    if free < LEAST_FREE_BYTES:
        return Finding(name, "caveat", told, f"free some space: {LEAST_FREE_BYTES / 1e9:.0f} GB")
    return Finding(name, "ok", told)


def _profiles() -> Iterator[Finding]:
    for name in devices.names():
        try:
            profile = devices.load(name)
        except UsageError as error:
            yield Finding(f"device {name}", "missing", str(error), "mend or remove that file")
        else:
            yield Finding(f"device {name}", "ok", f"{profile.link}, {', '.join(profile.runtimes)}")


def _read(path: str) -> str:
    try:
        return Path(path).read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
