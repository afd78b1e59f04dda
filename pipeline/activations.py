"""Which 8-bit type of activations a runtime is faster with on the device: measured, not assumed.

The same integers, with or without 128 added, take other kernels. The dense model is quantized for
it by a few samples, since ranges change no latency, and both forms are timed in turns.
"""

import json
from dataclasses import asdict, replace
from pathlib import Path

from pipeline import excluding
from pipeline.cost.making import few
from pipeline.desk import Desk
from pipeline.exporting import described, export_graph
from pipeline.recipe import Quantize
from pipeline.workspace import atomic_write
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT
from targets.device import TAKES_EITHER, Activations
from targets.errors import ConversionError
from targets.measurement import TimingRule, median
from targets.ratios import LEAST_PAIRS, Ratio, paired_ratio

TYPES: tuple[Activations, Activations] = ("int8", "uint8")
RULE = replace(TimingRule.quick(), processes=LEAST_PAIRS, min_seconds=0.1)
"""Each process runs both forms in turns, so that few samples tell kernels apart that differ by a
third and more; where they differ by less, it matters little."""


def chosen(desk: Desk, runtime: str, settings: Quantize | None) -> Activations:
    """What the recipe asks for, what the device's profile states, or the faster of both; a step.

    Where they can't be told apart with 95 % confidence, or the runtime does not take the model,
    the architecture decides, as `DeviceProfile.activations_for` has it. Runtimes with one type
    only have that one.
    """
    usual = desk.device.activations_for(runtime)
    if settings is None or settings.scheme != "int8" or runtime not in TAKES_EITHER:
        return usual
    if settings.activations != "auto":
        return settings.activations
    return usual if runtime in desk.device.activations else _measured(desk, runtime, settings)


def _measured(desk: Desk, runtime: str, settings: Quantize) -> Activations:
    def work(folder: Path) -> None:
        desk.console.progress(f"int8 or uint8 activations on {runtime}", 0.0)
        try:
            found = _told(_ratio(desk, runtime, settings, folder), desk, runtime)
        except ConversionError as error:
            found = {"chosen": desk.device.activations_for(runtime), "reason": str(error)}
        atomic_write(folder / "activations.json", json.dumps(found, indent=1) + "\n")
        desk.console.remark(f"{runtime}: {found['chosen']} activations: {found['reason']}")

    inputs = {
        "task": desk.task.identity(),
        "settings": settings.at_once.model_dump(mode="json"),
        "device": desk.device.model_dump(mode="json"),
        "rule": asdict(RULE),
    }
    folder = desk.workspace.step(f"activations-{runtime}", inputs, work)
    told = json.loads((folder / "activations.json").read_text())
    return "uint8" if told["chosen"] == "uint8" else "int8"


def _ratio(desk: Desk, runtime: str, settings: Quantize, folder: Path) -> Ratio:
    """uint8's time over int8's."""
    batch, _ = next(iter(desk.task.batches("calibration")))
    quantized = excluding.quantized(desk.dense, few([batch]), settings)
    target = desk.targets[runtime]
    artifacts = []
    for kind in TYPES:
        path = folder / kind / f"model{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"
        inputs = desk.task.example_inputs()
        export_graph(desk.dense, quantized, inputs, path, runtime=runtime, activations=kind)
        artifacts.append(described(target, path).artifact)
    times = [
        [median(one.latency_ns) for one in target.sample_in_turns(artifacts, RULE, seed)]
        for seed in range(RULE.processes)
    ]
    signed, unsigned = zip(*times, strict=True)
    return paired_ratio(signed, unsigned)


def _told(ratio: Ratio, desk: Desk, runtime: str) -> dict[str, object]:
    """The choice, why, and the interval that it rests on."""
    taken = f"uint8 takes {ratio.low:.2f} to {ratio.high:.2f} of int8's time (95%)"
    usual = desk.device.activations_for(runtime)
    chosen = "uint8" if ratio.below else "int8" if ratio.above else usual
    open_ = (
        "" if ratio.below or ratio.above else f"; not told apart, so what {desk.device.arch} has"
    )
    return {"chosen": chosen, "reason": taken + open_, "ratio": asdict(ratio)}
