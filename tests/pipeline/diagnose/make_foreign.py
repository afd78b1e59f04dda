"""Models as others make them, with the runtimes' own tools; in a process of its own (torch).

    make_foreign.py FOLDER

Writes pooled.tflite (int8, with hardswish and average pooling: LiteRT's converter and quantizer),
dynamic.tflite (8-bit weights, ranges found at every inference), batch.onnx (a symbolic batch,
weights in weights/net.bin) and sizes.xml (all sizes but the channels' are open).
"""

import sys
from pathlib import Path

import litert_torch
import onnx
import openvino as ov
import torch
from ai_edge_quantizer import quantizer, recipe
from torch import nn

from targets.tflite.native import quantize

SHAPE = (1, 3, 16, 16)


class Pooled(nn.Module):
    """Convolutions with hardswish and average pooling behind each."""

    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Conv2d(3, 8, 3, padding=1)
        self.second = nn.Conv2d(8, 8, 3, padding=1)
        self.head = nn.Linear(8, 5)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        for layer in (self.first, self.second):
            x = nn.functional.avg_pool2d(nn.functional.hardswish(layer(x)), 2)
        return self.head(x.mean((2, 3)))


def main(folder: Path) -> None:
    torch.manual_seed(0)
    net, samples = Pooled().eval(), torch.randn(8, *SHAPE[1:])
    to_tflite(net, samples, folder)
    to_onnx(net, samples, folder)
    model = ov.convert_model(net, example_input=samples[:1], input=[[-1, 3, -1, -1]])
    ov.save_model(model, folder / "sizes.xml", compress_to_fp16=False)


def to_tflite(net: nn.Module, samples: torch.Tensor, folder: Path) -> None:
    plain = folder / "plain.tflite"
    litert_torch.convert(net, (samples[:1],)).export(str(plain))
    quantize(
        plain,
        [[row.numpy()] for row in samples.split(1)],
        folder / "pooled.tflite",
        range="min-max",
        correct_bias=False,
        activations="int8",
        io="int8",
    )
    made = quantizer.Quantizer(str(plain), recipe.dynamic_wi8_afp32()).quantize()
    (folder / "dynamic.tflite").write_bytes(bytes(made.quantized_model))


def to_onnx(net: nn.Module, samples: torch.Tensor, folder: Path) -> None:
    sizes = {"x": {0: torch.export.Dim.DYNAMIC}}
    made = torch.onnx.export(net, (samples[:2],), dynamo=True, dynamic_shapes=sizes, verbose=False)
    assert made is not None
    (folder / "weights").mkdir()
    onnx.save(
        made.model_proto,
        folder / "batch.onnx",
        save_as_external_data=True,
        location="weights/net.bin",
        size_threshold=100,  # axes of a reduction must be in the file itself
    )


if __name__ == "__main__":
    main(Path(sys.argv[1]))
