"""The whole models that fuzzing starts from, made in a process of its own (it imports torch).

fuzz_seeds.py FOLDER: writes net.* and int8.* for each runtime through its own door, and large.onnx
with its weights in large.onnx.data.
"""

import sys
from pathlib import Path

import onnx
import torch
from torch import nn

from pipeline.graph import trace
from pipeline.quantize import quantize
from pipeline.recipe import Quantize
from targets.onnxruntime.export import export as to_onnx
from targets.openvino.export import export as to_openvino
from targets.tflite.export import export as to_tflite

SHAPE = (1, 3, 16, 16)
DOORS = ((to_tflite, ".tflite"), (to_openvino, ".xml"), (to_onnx, ".onnx"))


def main(folder: Path) -> None:
    """Exports one small convolutional net."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 8, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(8, 8, 3, padding=1, groups=8),
        nn.Hardswish(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(8, 5),
    )
    one = (torch.randn(SHAPE),)
    graph = trace(net.eval(), one)
    quantized = quantize(graph, [(torch.randn(8, *SHAPE[1:]),)], Quantize())
    for export, suffix in DOORS:
        form = quantized.folded if export is to_onnx else quantized.unfolded
        export(graph.module, one, folder / f"net{suffix}", precision="fp32")
        export(form, one, folder / f"int8{suffix}", precision="int8")
    onnx.save(
        onnx.load(folder / "net.onnx"), folder / "large.onnx",
        save_as_external_data=True, location="large.onnx.data", size_threshold=0,
    )  # fmt: skip


if __name__ == "__main__":
    main(Path(sys.argv[1]))
