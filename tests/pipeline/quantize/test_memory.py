"""Observing in bounded memory: a process of its own for each amount of data."""

import subprocess
import sys

import pytest

OBSERVE = """
import sys
import torch
from torch import nn
from pipeline.graph import trace
from pipeline.quantize.observe import observe
from targets.agent.memory import peak_bytes
torch.set_num_threads(1)
torch.manual_seed(0)
net = nn.Sequential(nn.Conv2d(3, 16, 3), nn.ReLU(), nn.Conv2d(16, 16, 3), nn.ReLU(),
                    nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(16, 10))
graph = trace(net, (torch.zeros(1, 3, 32, 32),))
batches = ((torch.randn(50, 3, 32, 32),) for _ in range(int(sys.argv[1]) // 50))
assert observe(graph, batches).samples == int(sys.argv[1])
print(peak_bytes())
"""


def taken_bytes(samples: int) -> int:
    command = [sys.executable, "-c", OBSERVE, str(samples)]
    done = subprocess.run(command, capture_output=True, text=True, check=True)
    return int(done.stdout.split()[-1])


@pytest.mark.slow
def test_memory_stays_the_same_however_many_samples() -> None:
    few, many = taken_bytes(100), taken_bytes(10_000)
    assert many <= 1.1 * few
