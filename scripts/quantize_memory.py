"""Peak memory of calibrating with so many samples: in a process of its own, which prints it."""

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import torch
from torch import Tensor, nn

from pipeline.graph import trace
from pipeline.quantize.decide import decide
from pipeline.quantize.observe import observe
from pipeline.quantize.plan import Settings
from targets.agent.memory import peak_bytes

BATCH = 50


def batches(count: int) -> Iterator[tuple[Tensor]]:
    """Random images, made as they are asked for."""
    draw = torch.Generator().manual_seed(0)
    for _ in range(count // BATCH):
        yield (torch.randn(BATCH, 3, 32, 32, generator=draw),)


def grows_by(few: int, many: int, folder: Path) -> float:
    """The peak with many samples over that with few, each measured in a fresh process."""
    peaks = [
        int(subprocess.check_output([sys.executable, __file__, str(count)], cwd=folder))
        for count in (few, many)
    ]
    return peaks[1] / peaks[0]


def main() -> None:
    """Calibrates a small net and prints the peak in bytes."""
    net = nn.Sequential(
        nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 32, 3, 2), nn.ReLU(), nn.Flatten(),
        nn.Linear(32 * 14 * 14, 10),
    ).eval()  # fmt: skip
    graph = trace(net, (torch.zeros(1, 3, 32, 32),))
    decide(observe(graph, batches(int(sys.argv[1]))), Settings(scheme="int8", mode="ptq"))
    print(peak_bytes())


if __name__ == "__main__":
    main()
