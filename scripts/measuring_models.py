"""Makes the artifacts that bench_measuring compares, in a process of its own (it imports torch).

measuring_models.py FOLDER: writes net.tflite, net.xml and net.onnx, some milliseconds of fp32 each.
"""

import sys
from pathlib import Path

import torch
from torch import nn

from targets.onnxruntime.export import export as to_onnx
from targets.openvino.export import export as to_openvino
from targets.tflite.export import export as to_tflite

SHAPE = (1, 3, 192, 192)


def main(folder: Path) -> None:
    """Exports one convolutional net of 348 million MACs through each runtime's door."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(3, 32, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.Conv2d(32, 64, 3, padding=1),
        nn.ReLU(),
        nn.Conv2d(64, 128, 3, stride=2, padding=1),
        nn.ReLU(),
        nn.AdaptiveAvgPool2d(1),
        nn.Flatten(),
        nn.Linear(128, 10),
    ).eval()
    one = (torch.randn(SHAPE),)
    graph = torch.export.export(net, one).module()
    to_tflite(graph, one, folder / "net.tflite", precision="fp32")
    to_openvino(graph, one, folder / "net.xml", precision="fp32")
    to_onnx(graph, one, folder / "net.onnx", precision="fp32")


if __name__ == "__main__":
    main(Path(sys.argv[1]))
