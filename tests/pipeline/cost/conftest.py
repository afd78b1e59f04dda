"""A small residual net, and a device whose every cost is known: a staircase of tiles."""

import hashlib
import json
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn
from torch.nn import functional

from pipeline.cost import building
from pipeline.cost.building import Bench
from pipeline.cost.features import extents_at, rounded_up
from pipeline.cost.key import Key, identity
from pipeline.cost.reading import Reading, read
from pipeline.cost.sites import Model, Widths
from pipeline.cost.table import CostTable
from pipeline.graph.trace import Graph, trace
from pipeline.prune.block_evidence import observe_blocks
from targets.artifact import Artifact
from targets.errors import ConversionError
from targets.measurement import MemoryPhases, ProcessSamples, TimingRule

TILE = 8
CONSTANT_MS = 0.02
CALL_MS = 0.003
MS_PER_MAC = 2e-7


class Block(nn.Module):
    def __init__(self, width: int, inner: int) -> None:
        super().__init__()
        self.conv1 = nn.Conv2d(width, inner, 3, 1, 1, bias=False)
        self.bn1 = nn.BatchNorm2d(inner)
        self.conv2 = nn.Conv2d(inner, width, 3, 1, 1, bias=False)
        self.bn2 = nn.BatchNorm2d(width)

    def forward(self, x):
        y = functional.relu(self.bn1(self.conv1(x)))
        return functional.relu(self.bn2(self.conv2(y)) + x)


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.stem = nn.Conv2d(3, 16, 3, 1, 1)
        self.first = Block(16, 32)
        self.second = Block(16, 24)
        self.third = Block(16, 32)
        self.head = nn.Linear(16, 4)

    def forward(self, x):
        x = self.third(self.second(self.first(functional.relu(self.stem(x)))))
        return self.head(x.mean((2, 3)))


@pytest.fixture(scope="session")
def graph() -> Graph:
    torch.manual_seed(0)
    return trace(Net(), (torch.randn(1, 3, 8, 8),))


@pytest.fixture(scope="session")
def reading(graph: Graph) -> Reading:
    return read(graph)


def true_ms(model: Model, present: Mapping[str, Widths]) -> float:
    """What the fake device takes: whole tiles of work, and a call for each site."""
    kinds = {site.name: model.kinds[site.kind] for site in model.sites}
    total = CONSTANT_MS
    for name, widths in present.items():
        tiles = rounded_up(np.array([widths], np.float64).reshape(1, -1), TILE)
        total += CALL_MS + MS_PER_MAC * float(extents_at(kinds[name].work, tiles)[0])
    return total


@dataclass
class Device:
    """Makes artifacts that are lists of widths, and times them by `true_ms`.

    `drift` is the reference's, within each process; `breaks` is called before each timing.
    """

    reading: Reading
    drift: float = 0.0
    refuses: Callable[[str], bool] = lambda name: False
    breaks: Callable[[int], None] = lambda number: None
    made: list[str] = field(default_factory=list)
    sessions: int = 0

    def make(self, graph: Graph, folder: Path) -> Artifact:
        path = folder / "model.json"
        if not path.exists():
            if self.refuses(folder.name):
                raise ConversionError(f"{folder.name} can't be taken at operator aten.odd")
            folder.mkdir(parents=True)
            path.write_text(json.dumps(self.reading.present(graph)))
            self.made.append(folder.name)
        content = path.read_bytes()
        return Artifact(path, "onnx", hashlib.sha256(content).hexdigest(), self._size(path), (), ())

    def sample_in_turns(
        self, artifacts: Sequence[Artifact], rule: TimingRule, seed: int = 0, rounds: int = 5
    ) -> tuple[ProcessSamples, ...]:
        self.breaks(self.sessions)
        self.sessions += 1
        speed = 1.0 + 0.01 * (self.sessions % 3)  # the device wanders; its reference tells
        return tuple(self._samples(artifact, speed) for artifact in artifacts)

    def memory(self, artifact: Artifact) -> MemoryPhases:
        present = json.loads(artifact.path.read_text())
        return MemoryPhases(0, 0, 0, round(self.peak_mb(present) * 1e6))

    def peak_mb(self, present: Mapping[str, Widths]) -> float:
        return 3.0 + 4e-6 * self._weights(present)

    def _samples(self, artifact: Artifact, speed: float) -> ProcessSamples:
        ms = true_ms(self.reading.model, json.loads(artifact.path.read_text())) * speed
        drifting = 1.0 + self.drift * np.linspace(0, 1.5, 90)
        return ProcessSamples(tuple(round(ms * 1e6 * one) for one in drifting), 1, 1, 1000, 1000, 5)

    def _weights(self, present: Mapping[str, Widths]) -> int:
        kinds = {site.name: site.kind for site in self.reading.model.sites}
        total = 0.0
        for name, widths in present.items():
            kind = self.reading.model.kinds[kinds[name]]
            at = np.array([widths], np.float64).reshape(1, -1)
            total += float(extents_at(kind.matrices, at)[0])
        return round(total)

    def _size(self, path: Path) -> int:
        present = json.loads(path.read_text())
        return 2000 + 300 * len(present) + 4 * self._weights(present)


@pytest.fixture
def device(reading: Reading) -> Device:
    return Device(reading)


@pytest.fixture
def bench(graph: Graph, device: Device, tmp_path: Path) -> Bench:
    return _bench(graph, device, tmp_path)


def _bench(graph: Graph, device: Device, folder: Path) -> Bench:
    key = Key(
        device={"cpu": "a fake one", "cores": "1"}, runtime="onnxruntime",
        runtime_version="onnxruntime 1", precision="fp32", activations="float", threads=1,
        model=identity(device.reading.model),
    )  # fmt: skip
    return Bench(
        graph, device.reading, observe_blocks(graph), key, device.make, device, folder,
        lambda message, fraction: None, rest=lambda seconds: None,
    )  # fmt: skip


def _shorten(patch: pytest.MonkeyPatch) -> None:
    patch.setattr(building, "LEAST_MODELS", 24)
    patch.setattr(building, "MOST_MODELS", 24)
    patch.setattr(building, "EVERY_UNSEEN", 4)


@pytest.fixture
def short(monkeypatch: pytest.MonkeyPatch) -> None:
    """Few models, so that a test takes seconds."""
    _shorten(monkeypatch)


@pytest.fixture(scope="session")
def built(graph: Graph, reading: Reading, tmp_path_factory: pytest.TempPathFactory) -> CostTable:
    """The finished table of the fake device."""
    with pytest.MonkeyPatch.context() as patch:
        _shorten(patch)
        folder = tmp_path_factory.mktemp("tables")
        return building.build(_bench(graph, Device(reading), folder), 10.0)


@pytest.fixture
def another(graph: Graph, reading: Reading, tmp_path: Path) -> Callable[[], tuple[Bench, Device]]:
    """A new process on the same machine: another bench in the same folder."""

    def start() -> tuple[Bench, Device]:
        device = Device(reading)
        return _bench(graph, device, tmp_path), device

    return start


@pytest.fixture
def truth(reading: Reading) -> Callable[[Mapping[str, Widths]], float]:
    """The fake device's milliseconds for the sites that are present."""
    return lambda present: true_ms(reading.model, present)
