"""Exports a graph to ONNX for ONNX Runtime. Desk side: imports torch."""

from pathlib import Path

import onnx
import torch

from targets.conversion import Activations, Precision, converting, publish, specialise
from targets.errors import ConversionError
from targets.onnxruntime.strip import strip

FOLDED = True


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
) -> Path:
    """Writes the graph as a static .onnx for these inputs (batch 1) and returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one with folded weights.
    The same graph gives the same bytes in any process and folder.
    Raises ConversionError for what the converter refuses.
    """
    with converting("ONNX Runtime"):
        model = _convert(module, inputs)
    publish({path: model.SerializeToString(deterministic=True)})
    return path


def _convert(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> onnx.ModelProto:
    program = torch.onnx.export(specialise(module, inputs), inputs, dynamo=True, verbose=False)
    if program is None:
        raise ConversionError("ONNX Runtime can't take the model: nothing came of the conversion")
    return strip(program.model_proto)
