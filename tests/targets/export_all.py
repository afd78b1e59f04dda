"""Exports one net to every format and precision, in a process of its own.

    export_all.py FOLDER [reversed]

Prints one JSON object: the seconds that each export took.
"""

import copy
import json
import sys
import time
from importlib import import_module
from pathlib import Path

import torch
from torchao.quantization.pt2e.observer import MinMaxObserver, PerChannelMinMaxObserver
from torchao.quantization.pt2e.quantize_pt2e import convert_pt2e, prepare_pt2e
from torchao.quantization.pt2e.quantizer import QuantizationAnnotation, QuantizationSpec

SUFFIXES = {"tflite": ".tflite", "openvino": ".xml", "onnxruntime": ".onnx"}
ATEN = torch.ops.aten
ACTIVATION = QuantizationSpec(
    torch.int8, MinMaxObserver, -128, 127, torch.per_tensor_affine, is_dynamic=False
)
WEIGHT = QuantizationSpec(
    torch.int8, PerChannelMinMaxObserver, -127, 127, torch.per_channel_symmetric, 0
)


class Net(torch.nn.Module):
    """Two inputs of different shapes, a strided convolution, a batch norm, pooling, two outputs."""

    def __init__(self) -> None:
        super().__init__()
        self.stem = torch.nn.Conv2d(3, 8, 3, stride=2, padding=1)
        self.norm = torch.nn.BatchNorm2d(8)
        self.head = torch.nn.Linear(8, 5)

    def forward(self, image: torch.Tensor, shift: torch.Tensor):
        x = torch.relu(self.norm(self.stem(image)))
        scores = self.head(x.mean((2, 3), keepdim=True).flatten(1)) + shift
        return scores, scores.sigmoid()


class Quantizer:
    """Makes convolutions and linear layers int8."""

    def transform_for_annotation(self, model):
        return model

    def annotate(self, model):
        for node in model.graph.nodes:
            if node.target in (ATEN.conv2d.default, ATEN.linear.default):
                specs = {node.args[0]: ACTIVATION, node.args[1]: WEIGHT}
                last = next(iter(node.users))
                last = last if last.target is ATEN.relu.default else node
                node.meta["quantization_annotation"] = QuantizationAnnotation(specs)
                own = node.meta["quantization_annotation"] if last is node else None
                annotation = own or QuantizationAnnotation()
                annotation.output_qspec = ACTIVATION
                last.meta["quantization_annotation"] = annotation
        return model

    def validate(self, model):
        pass

    def prepare_obs_or_fq_callback(self, model, observers):
        pass


def example() -> tuple[torch.Tensor, ...]:
    torch.manual_seed(1)
    return torch.randn(4, 3, 16, 16), torch.randn(4, 5)


def graphs():
    """The float graph, and its quantized forms: folded and unfolded."""
    torch.manual_seed(0)
    net = Net()
    net(*example())
    batch = torch.export.Dim("batch")
    traced = torch.export.export(net.eval(), example(), dynamic_shapes=({0: batch}, {0: batch}))
    graph = traced.module(check_guards=False)
    prepared = prepare_pt2e(copy.deepcopy(graph), Quantizer())
    prepared(*example())
    folded = convert_pt2e(copy.deepcopy(prepared), fold_quantize=True)
    return graph, folded, convert_pt2e(prepared, fold_quantize=False)


def main(folder: Path, order: int) -> None:
    graph, folded, unfolded = graphs()
    inputs = tuple(each[:1] for each in example())
    seconds = {}
    for runtime in list(SUFFIXES)[::order]:
        exporter = import_module(f"targets.{runtime}.export")
        for precision in ("fp32", "int8")[::order]:
            quantized = folded if exporter.FOLDED else unfolded
            module = graph if precision == "fp32" else quantized
            path = folder / f"{precision}{SUFFIXES[runtime]}"
            started = time.perf_counter()
            exporter.export(module, inputs, path, precision=precision)
            seconds[f"{runtime} {precision}"] = time.perf_counter() - started
    sys.stdout.write(json.dumps(seconds))


if __name__ == "__main__":
    main(Path(sys.argv[1]), -1 if sys.argv[2:] else 1)
