"""The native engine: each runtime's own tool, tried on a small grid, and what is better delivered.

What a tool made has no plan of ours behind it: it is looked at, scored and measured as an artifact.
"""

import json
from collections.abc import Sequence
from dataclasses import asdict, replace
from pathlib import Path

import numpy as np

from pipeline import evidence, making, quantizing, stages
from pipeline.activations import chosen as activations_of
from pipeline.desk import Desk
from pipeline.evidence import Seen
from pipeline.recipe import Quantize
from pipeline.results import Judged, Made
from pipeline.stages import Exported
from pipeline.workspace import atomic_write
from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT
from targets.budget import rank
from targets.errors import ConversionError
from targets.measurement import median
from targets.native import GRID, TOOLS, NativeSettings, quantize_native

NATIVE = "native.json"
SAMPLES = 512
"""Calibration samples that a tool gets, at most: they are held in memory."""


def finish(
    desk: Desk, dense: Made, name: str, folder: Path, runtimes: Sequence[str]
) -> tuple[Judged, ...]:
    """The candidates that the runtimes' own tools make of a shaped model, one for each runtime.

    Raises EnvironmentFault where a tool is not installed.
    """
    return tuple(making.judge(desk, dense, made(desk, name, folder, one)) for one in runtimes)


def better(unified: Judged, native: Judged, runtime: str) -> tuple[Judged, Judged]:
    """Both, of which one is only for comparison: the one of the worse verdict, of equals the slower
    as a share of the dense model's time in its own sitting."""
    if runtime not in native.trials:
        return unified, native
    if runtime not in unified.trials:
        return replace(unified, beside=True), native
    takes_native = _worth(native, runtime) > _worth(unified, runtime)
    return replace(unified, beside=takes_native), replace(native, beside=not takes_native)


def _worth(judged: Judged, runtime: str) -> tuple[int, float]:
    trial = judged.trials[runtime]
    dense = trial.dense
    share = median(trial.candidate.latency_ms(0.5))
    share /= median(dense.latency_ms(0.5)) if dense else 1.0
    return rank(trial.verdict.status), -share


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
    return max(found, key=lambda one: _score(one.seen[runtime]))


def _score(seen: Seen) -> float:
    """By the task's first metric."""
    name = next(iter(seen.scores.metrics))
    sign = 1 if seen.scores.higher_is_better[name] else -1
    return sign * seen.scores.metrics[name]


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
    seen = evidence.see(desk, runtime, exported)
    return Made(name, folder, exported, {runtime: seen}, {})


def samples(desk: Desk) -> list[np.ndarray]:
    """What a tool observes ranges on: an array for each input, samples stacked on axis 0."""
    columns = zip(*quantizing.held(desk, SAMPLES), strict=True)
    return [np.concatenate([tensor.numpy() for tensor in column]) for column in columns]
