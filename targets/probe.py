"""What a device says of itself: one script for any POSIX shell, read without Python there."""

import re
import shlex
from collections.abc import Mapping
from dataclasses import dataclass

from targets.errors import DeviceUnreachable
from targets.link.contract import Link

_TIMEOUT_S = 60.0

# Each part prints what there is and nothing where there is none.
_PARTS = {
    "uname": "uname -srm",
    "cpuinfo": "cat /proc/cpuinfo",
    "meminfo": "head -n 3 /proc/meminfo",
    "libc": "getconf GNU_LIBC_VERSION || ldd --version 2>&1 | head -n 1",
    "model": "cat /proc/device-tree/model /sys/class/dmi/id/product_name | tr -d '\\0'",
    "android": "getprop ro.product.model && getprop ro.build.version.release"
    " && getprop ro.soc.model",
    "governor": "cat /sys/devices/system/cpu/cpu*/cpufreq/scaling_governor",
    "max_khz": "cat /sys/devices/system/cpu/cpu[0-9]*/cpufreq/cpuinfo_max_freq",
    "thermal": "cat /sys/class/thermal/thermal_zone*/type",
    "powercap": "ls /sys/class/powercap",
    "powercap_readable": "cat /sys/class/powercap/*/energy_uj",
    "hwmon": "cat /sys/class/hwmon/hwmon*/name",
    "hwmon_power": "ls /sys/class/hwmon/hwmon*/power1_input /sys/class/hwmon/hwmon*/curr1_input",
    "pmic": "vcgencmd pmic_read_adc | head -n 1",
    "battery": "dumpsys battery | head -n 3",
    "disk": "df -Pk . | tail -n 1",
    "clear_refs": "echo 5 > /proc/self/clear_refs && echo writable",
}
_PYTHON = (
    "import sys, sysconfig; from importlib import metadata;"
    "print('%d.%d.%d' % sys.version_info[:3]); print(sysconfig.get_platform());"
    "[print(d.metadata['Name'], d.version) for d in metadata.distributions()"
    " if (d.metadata['Name'] or '').lower().replace('_', '-') in"
    " ('numpy', 'ai-edge-litert', 'tflite-runtime', 'onnxruntime', 'openvino')]"
)


@dataclass(frozen=True)
class Probe:
    """What was read of a device, each part as the lines that it printed."""

    parts: Mapping[str, tuple[str, ...]]

    def first(self, part: str) -> str:
        """The part's first line, "" where there is none."""
        return next(iter(self.parts.get(part, ())), "")

    @property
    def arch(self) -> str:
        """The machine's name, as `uname -m` gives it."""
        return self.first("uname").rpartition(" ")[2]

    @property
    def memory_mb(self) -> int | None:
        """All memory in MB (1e6 bytes), or None."""
        found = re.search(r"MemTotal:\s+(\d+) kB", self.first("meminfo"))
        return int(found[1]) * 1024 // 1_000_000 if found else None

    @property
    def core_count(self) -> int:
        """How many cores are on."""
        return len(self._cpu("processor")) or 1

    @property
    def isa(self) -> tuple[str, ...]:
        """All extensions that the first core names."""
        named = self._cpu("Features") or self._cpu("flags")
        return tuple(named[0].split()) if named else ()

    @property
    def cpu(self) -> str:
        """The processor's name, or its part number where Linux knows no name."""
        named = self._cpu("model name") or self._cpu("Hardware")
        parts = sorted(set(self._cpu("CPU part")))
        return named[0] if named else f"CPU part {', '.join(parts)}" if parts else "unknown"

    @property
    def max_mhz(self) -> int | None:
        """The highest clock of any core in MHz, or None."""
        found = [int(line) for line in self.parts.get("max_khz", ()) if line.isdigit()]
        return max(found) // 1000 if found else None

    @property
    def glibc(self) -> tuple[int, ...] | None:
        """The version of the GNU C library, or None for another."""
        found = re.search(r"(?:glibc|GLIBC|GNU libc)\D*(\d+)\.(\d+)", self.first("libc"))
        return (int(found[1]), int(found[2])) if found else None

    @property
    def python(self) -> tuple[int, ...] | None:
        """Its Python's version, or None without one."""
        found = re.fullmatch(r"(\d+)\.(\d+)\.(\d+)", self.first("python"))
        return tuple(map(int, found.groups())) if found else None

    @property
    def installed(self) -> dict[str, str]:
        """numpy and the runtimes that are installed, by distribution, in lower case with dashes."""
        pairs = [line.split() for line in self.parts.get("python", ())[2:]]
        named = [each for each in pairs if len(each) == 2]
        return {name.lower().replace("_", "-"): version for name, version in named}

    @property
    def android(self) -> bool:
        """Whether it is an Android device."""
        return bool(self.parts.get("android"))

    @property
    def sensors(self) -> tuple[str, ...]:
        """What its energy can be read by, as profiles name it."""
        power = " ".join(self.parts.get("hwmon", ()))
        seen = {
            "rapl": any("rapl" in line for line in self.parts.get("powercap", ())),
            "ina3221": "ina3221" in power,
            "pi-pmic": bool(self.parts.get("pmic")),
            "android-battery": self.android and bool(self.parts.get("battery")),
            "hwmon": bool(self.parts.get("hwmon_power")) and "ina3221" not in power,
        }
        return tuple(name for name, there in seen.items() if there)

    def _cpu(self, key: str) -> list[str]:
        lines = [line.partition(":") for line in self.parts.get("cpuinfo", ())]
        return [value.strip() for name, _, value in lines if name.strip() == key]


def probe(link: Link) -> Probe:
    """Asks a device. Raises DeviceUnreachable where its shell does not answer."""
    ask = "; ".join(f"echo @{name}; ({command}) 2>/dev/null" for name, command in _PARTS.items())
    asked_python = f'echo @python; {shlex.quote(link.python)} -c "{_PYTHON}" 2>/dev/null; echo @end'
    try:
        done = link.run(
            ("sh", "-c", f"{ask}; {asked_python}"),
            stdin=b"",
            environment={"PYTHONPATH": link.site},
            timeout_s=_TIMEOUT_S,
        )
    except TimeoutError as error:
        raise DeviceUnreachable(
            f"the device gave {error} to what it is; look at what hangs there and try again"
        ) from error
    parts = _read(done.stdout.decode(errors="replace"))
    if "end" not in parts:
        raise DeviceUnreachable("the device's shell does not do what a POSIX shell does")
    return Probe(parts)


def _read(text: str) -> dict[str, tuple[str, ...]]:
    parts: dict[str, tuple[str, ...]] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith("@") and (line[1:] in _PARTS or line[1:] in ("python", "end")):
            name = line[1:]
            parts[name] = ()
        elif name and line.strip():
            parts[name] += (line.strip(),)
    return parts
