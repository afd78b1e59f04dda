"""What Arm's compiler for Ethos-U NPUs expects of a model: its model's figures, nothing measured.

Source: ethos-u-vela's summary, OPTIONS.md and PERFORMANCE.md in its repository.
"""

import csv
import os
import re
import subprocess
import sys
import tempfile
from importlib import metadata
from pathlib import Path

from pipeline.package.manifest import Section
from pipeline.report.document import Unavailable

TIMEOUT_S = 120.0
CONFIGURATION = "Arm/vela.ini"
WORKER = "pipeline.package.mcu.modelling"
_CODE = Path(__file__).parents[3]
_KIB = 1024
_COUNTS = re.compile(r"^(CPU|NPU) operators = (\d+)", re.MULTILINE)
_REJECTED = re.compile(r"^Warning \(supported operators\) operator: (\w+)", re.MULTILINE)


class System(Section):
    """An accelerator in a system, by the names that Vela's own configuration has for them."""

    accelerator: str
    system: str
    memory: str


SYSTEMS = (
    System(accelerator="ethos-u55-128", system="Ethos_U55_High_End_Embedded", memory="Shared_Sram"),
    System(accelerator="ethos-u65-256", system="Ethos_U65_High_End", memory="Dedicated_Sram"),
    System(
        accelerator="ethos-u85-256",
        system="Ethos_U85_SYS_DRAM_Mid",
        memory="Dedicated_Sram_384KB",
    ),
)


class NpuFigures(Section):
    """What Vela expects of the model on one system; all of it modelled.

    Attributes:
        inference_ms: of the part that the NPU runs.
        sram_bytes, dram_bytes, flash_bytes: what the compiled model uses of each.
        npu_operators: how many the NPU runs.
        cpu_operators: how many are left to the processor.
        rejected: the kinds of those that the NPU can't run.
    """

    on: System
    provenance: str = "modelled"
    vela: str
    clock_mhz: float
    inference_ms: float
    sram_bytes: int
    dram_bytes: int
    flash_bytes: int
    npu_operators: int
    cpu_operators: int
    rejected: tuple[str, ...]


def npu_figures(model: Path, system: System) -> NpuFigures | Unavailable:
    """The figures of a .tflite model on a system, or why there are none."""
    try:
        version = metadata.version("ethos-u-vela")
    except metadata.PackageNotFoundError:
        cure = "ethos-u-vela is not installed: pip install 'edgesmith[mcu]'"
        return Unavailable(unavailable=cure)
    with tempfile.TemporaryDirectory() as folder:
        try:
            done = _compiled(model, system, Path(folder))
        except subprocess.TimeoutExpired:
            return Unavailable(unavailable=f"Vela gave no answer within {TIMEOUT_S:g} s")
        tables = sorted(Path(folder).glob("*_summary_*.csv"))
        if done.returncode or not tables:
            return Unavailable(unavailable=f"Vela can't compile it: {_last_line(done)}")
        with tables[0].open(encoding="utf-8", newline="") as file:
            return _figures(system, version, next(csv.DictReader(file)), done.stdout)


def _compiled(model: Path, system: System, folder: Path) -> subprocess.CompletedProcess[str]:
    options = {
        "--accelerator-config": system.accelerator,
        "--system-config": system.system,
        "--memory-mode": system.memory,
        "--config": CONFIGURATION,
        "--output-dir": str(folder),
    }
    command = [
        sys.executable,
        "-m",
        "ethosu.vela",
        *(part for one in options.items() for part in one),
    ]
    return subprocess.run(
        [*command, str(model.absolute())],
        capture_output=True,
        text=True,
        errors="replace",
        timeout=TIMEOUT_S,
        check=False,
        cwd=folder,
        env={**os.environ, "PYTHONPATH": str(_CODE), "OMP_NUM_THREADS": "1"},
    )


def _figures(system: System, version: str, row: dict[str, str], told: str) -> NpuFigures:
    counts = {kind: int(number) for kind, number in _COUNTS.findall(told)}
    flash = ("on_chip_flash_memory_used", "off_chip_flash_memory_used")
    return NpuFigures(
        on=system,
        vela=version,
        clock_mhz=float(row["core_clock"]) / 1e6,
        inference_ms=float(row["inference_time"]) * 1e3,
        sram_bytes=_bytes(row["sram_memory_used"]),
        dram_bytes=_bytes(row["dram_memory_used"]),
        flash_bytes=sum(_bytes(row[name]) for name in flash),
        npu_operators=counts.get("NPU", 0),
        cpu_operators=counts.get("CPU", 0),
        rejected=tuple(dict.fromkeys(_REJECTED.findall(told))),
    )


def _bytes(kib: str) -> int:
    return round(float(kib) * _KIB)


def _last_line(done: subprocess.CompletedProcess[str]) -> str:
    lines = done.stderr.strip().splitlines()
    return lines[-1] if lines else f"it ended with code {done.returncode}"
