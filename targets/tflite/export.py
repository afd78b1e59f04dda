"""Exports a graph to TFLite through LiteRT's converter. Desk side: imports torch."""

from pathlib import Path

import torch

from targets.conversion import Activations, Precision, converting, publish, specialise

FOLDED = False


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
) -> Path:
    """Writes the graph as a static .tflite for these inputs (batch 1) and returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one, weights not folded, and the
    file then has int8 inputs and outputs. The same graph gives the same bytes in any process.
    Raises ConversionError for what the converter refuses.
    """
    with converting("TFLite"):
        content = _convert(module, inputs)
    publish({path: content})
    return path


def _convert(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> bytes:
    import litert_torch

    graph = specialise(module, inputs).module()
    content: bytes = litert_torch.convert(graph, inputs).model_content()
    return content
