"""The native engine: each runtime's own tool, tried on a small grid, and what is better delivered.

What a tool made has no plan of ours behind it: it is looked at, scored and measured as an artifact.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pipeline import evaluate, evidence, making, quantizing, stages
from pipeline.activations import chosen as activations_of
from pipeline.desk import Desk
from pipeline.evaluate import Scores
from pipeline.recipe import Quantize
from pipeline.results import Judged, Made
from pipeline.stages import Exported
from pipeline.workspace import atomic_write
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT
from targets.budget import rank
from targets.errors import ConversionError
from targets.limit import MetricLimits
from targets.measurement import median
from targets.native import GRID, TOOLS, NativeSettings, check_tool, quantize_native

NATIVE = "native.json"
SAMPLES = 512
"""Calibration samples that a tool gets, at most: they are held in memory."""
NOTICED = 0.01
"""Of the dense model's metric: where the recipe limits none, what loses more than this is the worse
for it, however fast. Less is the noise of a validation split of some thousand samples."""


def check_tools(desk: Desk) -> None:
    """Raises EnvironmentFault where the recipe asks for a runtime's own tool that can't be
    imported, before anything is made that would be lost; a step for each."""
    if desk.quantize is None or desk.quantize.engine == "unified":
        return
    for runtime in desk.targets:
        _check(desk, runtime)


def _check(desk: Desk, runtime: str) -> None:
    desk.workspace.step(f"tool-{runtime}", {}, lambda _: check_tool(runtime))


def finish(
    desk: Desk, dense: Made, name: str, folder: Path, runtimes: Sequence[str]
) -> tuple[Judged, ...]:
    """The candidates that the runtimes' own tools make of a shaped model, one for each runtime.

    Raises EnvironmentFault where a tool is not installed.
    """
    return tuple(making.judge(desk, dense, made(desk, name, folder, one)) for one in runtimes)


def better(
    unified: Judged, native: Judged, runtime: str, dense: Scores, limits: MetricLimits | None
) -> tuple[Judged, Judged]:
    """Both, of which one is only for comparison: the one of the worse verdict; of equals the one
    that loses more than it may; of those the slower as a share of the dense model's time in its own
    sitting."""
    if runtime not in native.trials:
        return unified, native
    if runtime not in unified.trials:
        return replace(unified, beside=True), native
    takes_native = _worth(native, runtime, dense, limits) > _worth(unified, runtime, dense, limits)
    return replace(unified, beside=takes_native), replace(native, beside=not takes_native)


def _worth(
    judged: Judged, runtime: str, dense: Scores, limits: MetricLimits | None
) -> tuple[int, float, float]:
    trial = judged.trials[runtime]
    beside = trial.dense
    share = median(trial.candidate.latency_ms(0.5))
    share /= median(beside.latency_ms(0.5)) if beside else 1.0
    lost = _lost(dense, judged.made.seen[runtime].scores, limits)
    return rank(trial.verdict.status), -lost, -share


def _lost(dense: Scores, own: Scores, limits: MetricLimits | None) -> float:
    """How far the metric is beyond its limits; where it has none, beyond what is to be noticed."""
    if limits is not None:
        return max(0.0, evaluate.shortfall(dense, own, limits))
    name = next(iter(dense.metrics))
    return max(0.0, evaluate.drop(dense, own, name) - NOTICED * abs(dense.metrics[name]))


def made(desk: Desk, name: str, folder: Path, runtime: str) -> Made:
    """What the tool does best on the validation split, over its grid."""
    settings = desk.quantize
    assert settings is not None, "asked for an engine"
    exported = stages.export(desk, folder, None, (runtime,))
    told = "-".join(part for part in (name, "native", "int8") if part)
    if (why := exported.failures.get(runtime)) is not None:
        return Made(told, folder, exported, {}, {runtime: why})
    desk.console.step(f"{told}: {TOOLS[runtime]}, on its own grid")
    found, whys = [], []
    for one in _grid(desk, settings, runtime):
        try:
            found.append(_made(desk, told, folder, exported.files[runtime], runtime, one))
        except ConversionError as error:
            whys.append(str(error))
    if not found:
        return Made(told, folder, exported, {}, {runtime: "; ".join(dict.fromkeys(whys))})
    limits = desk.loaded.recipe.budget.metric
    return max(found, key=lambda one: _score(one.seen[runtime].scores, limits))


def _score(scores: Scores, limits: MetricLimits | None) -> float:
    """By the metric that the recipe limits, else the task's first."""
    name = limits.name if limits else next(iter(scores.metrics))
    sign = 1 if scores.higher_is_better[name] else -1
    return sign * scores.metrics[name]


def _grid(desk: Desk, settings: Quantize, runtime: str) -> tuple[NativeSettings, ...]:
    kind = activations_of(desk, runtime, settings)
    return tuple(replace(one, activations=kind, io=settings.io) for one in GRID[runtime])


def _made(
    desk: Desk, name: str, folder: Path, model: Path, runtime: str, one: NativeSettings
) -> Made:
    suffix = SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]

    def work(into: Path) -> None:
        desk.console.progress(f"{TOOLS[runtime]}: {one.range}", 0.0)
        path = into / runtime / f"model{suffix}"
        path.parent.mkdir()
        quantize_native(runtime, model, samples(desk), path, one)
        atomic_write(into / NATIVE, json.dumps(asdict(one)) + "\n")

    inputs = {"model": evidence.describe(desk, runtime, model).artifact.sha256,
              "task": desk.task.identity(), "settings": asdict(one)}  # fmt: skip
    step = desk.workspace.step(f"native-{runtime}", inputs, work)
    exported = Exported(step, {runtime: step / runtime / f"model{suffix}"}, {})
    evidence.check_int8(runtime, evidence.describe(desk, runtime, exported.files[runtime]))
    seen = evidence.see(desk, runtime, exported)
    return Made(name, folder, exported, {runtime: seen}, {})


def samples(desk: Desk) -> list[np.ndarray]:
    """What a tool observes ranges on: an array for each input, samples stacked on axis 0."""
    columns = zip(*quantizing.held(desk, SAMPLES), strict=True)
    return [np.concatenate([tensor.numpy() for tensor in column]) for column in columns]
