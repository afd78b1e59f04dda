"""A short run on a device behind a real sshd, and behind the real adb: as on this machine."""

from dataclasses import replace
from pathlib import Path

import pytest

from pipeline import doors
from pipeline.console import Console
from pipeline.doors import Order
from targets.measurement import TimingRule

RECIPES = Path(__file__).parents[2] / "recipes"
OVERRIDES = (
    "device=board",
    "runtimes=[tflite, onnxruntime]",
    "steps.0.prune.ratio=0.375",
    "steps.1.recover.epochs=1",
    "budget={size_kb: 30% of dense}",
)


@pytest.mark.slow
def test_a_run_measures_on_the_device_and_leaves_nothing_there(device, tmp_path):
    device.write_profile()
    rule = replace(TimingRule.quick(), attempts=1)
    order = Order(RECIPES / "digits", out=tmp_path / "run", overrides=OVERRIDES, rule=rule)
    with Console(quiet=True) as console:
        report, _ = doors.make(order, console)
    assert doors.exit_code(report) == 0
    for row in report.selected().values():
        assert row.measurement.provenance == "measured-on-device"
        assert row.measurement.conditions["device"] == "board"
    del report
    assert not list(device.root.glob("s-*"))
