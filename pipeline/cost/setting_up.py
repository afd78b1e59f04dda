"""From a recipe's task, a device and a runtime to a bench that can be probed on."""

from collections.abc import Iterable
from pathlib import Path

import torch

from pipeline.cost.building import Bench, Progress
from pipeline.cost.journal import cache_folder
from pipeline.cost.key import Key, identity
from pipeline.cost.making import Maker, few
from pipeline.cost.reading import read
from pipeline.graph.trace import Graph
from pipeline.prune.block_evidence import observe_blocks
from pipeline.recipe import Quantize
from targets.device import Activations, DeviceProfile
from targets.target import Target


def bench_for(
    graph: Graph,
    calibration: Iterable[tuple[tuple[torch.Tensor, ...], object]],
    device: DeviceProfile,
    target: Target,
    settings: Quantize | None,
    progress: Progress,
    folder: Path | None = None,
    activations: Activations | None = None,
) -> Bench:
    """The bench of one runtime and precision.

    Args:
        graph: the dense model, traced with a batch of 1.
        calibration: batches of inputs and targets; the first examples of the first are used.
        device: its profile.
        target: the runtime on it.
        settings: how the recipe quantizes; None for float32.
        progress: told of every probe: a message, and the fraction done.
        folder: where tables are kept; None: the user's cache.
        activations: the 8-bit type of a quantized model's; None: the device's usual one.
    """
    batches = [inputs for inputs, _ in _first(calibration)] if settings else []
    reading = read(graph)
    activations = activations or device.activations_for(target.runtime)
    maker = Maker(target.runtime, settings, activations, graph.inputs, few(batches))
    told, version = target.identify()
    key = Key(
        device=told,
        runtime=target.runtime,
        runtime_version=version,
        precision=maker.precision,
        activations=activations if settings else "float",
        threads=target.threads,
        model=identity(reading.model),
    )
    return Bench(
        graph, reading, observe_blocks(graph), key, maker.make, target,
        folder or cache_folder(), progress,
    )  # fmt: skip


def _first(
    batches: Iterable[tuple[tuple[torch.Tensor, ...], object]],
) -> list[tuple[tuple[torch.Tensor, ...], object]]:
    return [batch for batch, _ in zip(batches, range(1), strict=False)]
