"""The cost tables of a run: one for each runtime, probed on first use and reused ever after.

A table is kept in the user's cache for every run of the same model on the same device; a run has
a copy of the one that it used, so that it says the same whenever it is resumed.
"""

import json
from dataclasses import dataclass
from pathlib import Path

from pipeline import activations
from pipeline.cost.building import build, kept_table
from pipeline.cost.setting_up import bench_for
from pipeline.cost.table import CostTable
from pipeline.desk import Desk
from pipeline.results import Made
from pipeline.workspace import atomic_write
from targets.device import Activations
from targets.errors import ConversionError, MeasurementInvalid

MINUTES = 0.5
"""Of probing for each runtime. `edgesmith cost` takes more, and a run then uses what it left."""

_TABLE, _REASON = "table.json", "reason.json"


@dataclass(frozen=True)
class Kept:
    """A runtime's table and the step that holds it; None where there can be none."""

    table: CostTable | None
    step: str


def of(desk: Desk, dense: Made, runtime: str) -> Kept:
    """The table of a runtime at the precision of the run; a step.

    Raises:
        DeviceUnreachable: the device can't be asked.
        FolderInUse: another process probes for the same table.
    """
    desk.console.step(f"{runtime}: what widths and blocks cost there")

    types = activations.chosen(desk, runtime, desk.quantize)

    def work(folder: Path) -> None:
        try:
            _probed(desk, runtime, types).save(folder / _TABLE)
        except (ConversionError, MeasurementInvalid) as error:
            atomic_write(folder / _REASON, json.dumps(str(error)) + "\n")

    inputs = {
        "parent": dense.folder.name,
        "settings": desk.quantize.model_dump(mode="json") if desk.quantize else None,
        "device": desk.device.model_dump(mode="json"),
        "minutes": MINUTES,
        "activations": types,
    }
    folder = desk.workspace.step(f"cost-{runtime}", inputs, work)
    if (folder / _TABLE).exists():
        return Kept(CostTable.load(folder / _TABLE), folder.name)
    why = json.loads((folder / _REASON).read_text())
    desk.console.remark(
        f"{runtime}: no table of costs: {why}; multiply-accumulates stand in for it, and what is "
        "measured corrects them"
    )
    return Kept(None, folder.name)


def _probed(desk: Desk, runtime: str, types: Activations) -> CostTable:
    batches, target = desk.task.batches("calibration"), desk.targets[runtime]
    bench = bench_for(
        desk.dense, batches, desk.device, target, desk.quantize, desk.console.progress,
        activations=types,
    )  # fmt: skip
    if (found := kept_table(bench.folder, bench.key)) is not None:
        desk.console.remark(f"a table from an earlier probing is used: {found.ended}")
        return found
    desk.console.remark(
        f"probing for at most about {MINUTES:g} minute{'s' * (MINUTES != 1)}; "
        "`edgesmith cost` probes for longer, and is then used"
    )
    return build(bench, MINUTES)
