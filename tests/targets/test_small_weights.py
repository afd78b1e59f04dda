"""Weights alone in fewer bits: smaller and close where matrices are multiplied, else declined."""

from importlib import import_module
from pathlib import Path

import numpy as np
import pytest
import torch
from torch import nn

from targets.artifact import FORMAT_OF_RUNTIME, SUFFIX_OF_FORMAT, files_of
from targets.errors import ConversionError
from targets.products import products_share

RUNTIMES = list(FORMAT_OF_RUNTIME)
NOISE = {"float16": 1e-3, "int8-weights": 0.03, "int4-weights": 0.25}
"""Of the outputs, relative: rounding by 2^-12, and steps of 1/127 and 1/7 of the largest weight of
a channel or a group, three layers deep; with integers, those of what meets the weights as well."""


class Products(nn.Module):
    """Three linear layers on a sequence, with a bias and without."""

    def __init__(self) -> None:
        super().__init__()
        self.enter = nn.Linear(64, 256)
        self.middle = nn.Linear(256, 256, bias=False)
        self.leave = nn.Linear(256, 64)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.leave(torch.relu(self.middle(torch.relu(self.enter(x)))))


@pytest.fixture(scope="module")
def traced() -> tuple[nn.Module, torch.Tensor, np.ndarray]:
    torch.manual_seed(0)
    net, x = Products().eval(), torch.randn(1, 8, 64)
    with torch.no_grad():
        expected = net(x).numpy()
    return torch.export.export(net, (x,)).module(), x, expected


def exported(runtime: str, traced, folder: Path, precision: str) -> Path:
    path = folder / f"{precision}{SUFFIX_OF_FORMAT[FORMAT_OF_RUNTIME[runtime]]}"
    exporter = import_module(f"targets.{runtime}.export")
    return exporter.export(traced[0], (traced[1],), path, precision=precision)


def size(path: Path) -> int:
    return sum(file.stat().st_size for file in files_of(path))


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_smaller_and_close(runtime: str, traced, tmp_path: Path) -> None:
    whole = size(exported(runtime, traced, tmp_path, "fp32"))
    sizes = {}
    for precision, noise in NOISE.items():
        if (runtime, precision) == ("onnxruntime", "float16"):
            continue
        path = exported(runtime, traced, tmp_path, precision)
        session = import_module(f"targets.{runtime}.session").Session(str(path))
        session.prepare()
        (found,) = session.run([traced[1].numpy()])
        apart = np.linalg.norm(found - traced[2]) / np.linalg.norm(traced[2])
        assert apart < noise, precision
        sizes[precision] = size(path) / whole
    assert sizes["int4-weights"] < sizes["int8-weights"] < 0.4
    assert sizes.get("float16", 0.5) < 0.6


def test_float16_has_no_kernels_in_onnx_runtime(traced, tmp_path: Path) -> None:
    with pytest.raises(ConversionError, match="no float16 kernels"):
        exported("onnxruntime", traced, tmp_path, "float16")


@pytest.mark.parametrize("runtime", RUNTIMES)
def test_convolutions_are_declined(runtime: str, tmp_path: Path) -> None:
    net = nn.Sequential(nn.Conv2d(3, 8, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8 * 36, 4)).eval()
    x = torch.randn(1, 3, 8, 8)
    graph = torch.export.export(net, (x,)).module()
    with pytest.raises(ConversionError, match=r"13% of this model's multiply-accumulates"):
        exported(runtime, (graph, x, None), tmp_path, "int8-weights")
    assert not list(tmp_path.iterdir())


def test_the_share_counts_stored_matrices_only() -> None:
    class Attention(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.project = nn.Linear(16, 16, bias=False)

        def forward(self, x: torch.Tensor) -> torch.Tensor:
            return self.project(x) @ x.transpose(1, 2)

    program = torch.export.export(Attention(), (torch.randn(1, 8, 16),))
    # 8·16·16 in the layer, 8·8·16 in the product of two activations
    assert products_share(program) == pytest.approx(16 / 24)
