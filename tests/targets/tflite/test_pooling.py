"""A mean over an image needs no turning of it."""

from pathlib import Path

import numpy as np
import pytest
import torch
from ai_edge_litert import schema_py_generated as schema
from torch import nn

from targets import device
from targets.target import find
from targets.tflite.export import export
from targets.tflite.pooling import pool_in_place


@pytest.mark.parametrize("name", ["net", "int8"])
def test_exported_nets_pool_without_turning_the_image_back(models: Path, name: str) -> None:
    found = find(device.load("host"), "tflite").describe(models / f"{name}.tflite").execution
    assert found.transposes == 1  # of the input alone, which comes with its channels first
    content = (models / f"{name}.tflite").read_bytes()
    assert pool_in_place(content) is content  # nothing is left to do
    graph = schema.ModelT.InitFromPackedBuf(content, 0).subgraphs[0]
    read = {int(index) for one in graph.operators for index in one.inputs}
    assert read | {int(index) for index in graph.outputs} == set(range(len(graph.tensors)))


def test_what_else_reads_the_turned_image_keeps_it(tmp_path: Path) -> None:
    class Both(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.conv = nn.Conv2d(3, 4, 3)
            self.head = nn.Linear(4 * 36, 4)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            x = self.conv(x)
            return self.head(x.flatten(1)) + x.mean((2, 3))

    torch.manual_seed(0)
    net, x = Both().eval(), torch.randn(1, 3, 8, 8)
    path = export(
        torch.export.export(net, (x,)).module(), (x,), tmp_path / "m.tflite", precision="fp32"
    )
    target = find(device.load("host"), "tflite")
    (found,) = target.infer(target.describe(path).artifact, [x.numpy()])
    with torch.no_grad():
        # Sums of 144 products of order 1 in float32: 144 · 2^-24 < 1e-5.
        np.testing.assert_allclose(found, net(x).numpy(), atol=1e-5)
