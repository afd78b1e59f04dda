"""Exports a graph to OpenVINO's IR. Desk side: imports torch."""

from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch
from torch.export import ExportedProgram

from targets.conversion import (
    SMALL_WEIGHTS,
    Activations,
    Io,
    Precision,
    converting,
    publish,
    specialise,
)
from targets.errors import ConversionError
from targets.lowering import GROUPED_ATTENTION
from targets.openvino.saving import rename, serialise
from targets.openvino.telemetry import declined
from targets.products import check_products

if TYPE_CHECKING:
    import openvino

FOLDED = False
HEAVY = frozenset({"Convolution", "GroupConvolution", "MatMul"})
WEIGHT_PATH = frozenset({"Convert", "Multiply", "Reshape", "Subtract", "Transpose"})


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
    io: Io = "int8",
) -> Path:
    """Writes the graph as a static .xml with its .bin for these inputs (batch 1); returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one, weights not folded.
    Inputs and outputs stay float32, whatever `io` asks of runtimes whose files have a choice.
    Weights are compressed to float16 only where that is asked for; those of a float graph alone
    can be in fewer bits. The same graph gives the same bytes in any process.
    Raises ConversionError for what the converter refuses, where int8 was asked for and no operator
    became it, or where small weights would make nothing faster.
    """
    with converting("OpenVINO"):
        program = specialise(module, inputs, GROUPED_ATTENTION)
        if precision in SMALL_WEIGHTS:
            check_products(program, "OpenVINO", precision)
        model = _convert(program, inputs, precision)
        if precision == "int8":
            _require_int8(model)
        topology, weights = serialise(model, float16=precision == "float16")
    publish({path: topology, path.with_suffix(".bin"): weights})
    return path


def _convert(
    program: ExportedProgram, inputs: tuple[torch.Tensor, ...], precision: Precision
) -> "openvino.Model":
    with declined():
        import openvino

    shapes = [list(tensor.shape) for tensor in inputs]
    model = openvino.convert_model(program, input=shapes)
    _share_ranges(model)
    if precision in SMALL_WEIGHTS:
        from targets.openvino.weights import with_small_weights

        with_small_weights(model, precision)
    rename(model)
    return model


def _share_ranges(model: "openvino.Model") -> None:
    """Lets a FakeQuantize read one pair of limits where its input and output range are equal.

    The limits are constants of a few bytes, but each takes a paragraph of the .xml.
    """
    for node in model.get_ops():
        if node.get_type_name() != "FakeQuantize":
            continue
        for taken, given in ((3, 1), (4, 2)):
            values = [node.input_value(index).get_node().get_data() for index in (taken, given)]
            if np.array_equal(*values):
                node.input(taken).replace_source_output(node.input_value(given))


def _require_int8(model: "openvino.Model") -> None:
    """The runtime computes on integers where activations pass a FakeQuantize and weights are
    stored as integers."""
    for node in model.get_ops():
        if node.get_type_name() in HEAVY and _is_quantized(node):
            return
    raise ConversionError(
        "OpenVINO: no operator of the exported model is int8; the graph has to be quantized, "
        "with weights not folded"
    )


def _is_quantized(node: "openvino.Node") -> bool:
    data, weight = (node.input_value(index).get_node() for index in range(2))
    while weight.get_type_name() in WEIGHT_PATH:
        weight = weight.input_value(0).get_node()
    is_integer = weight.get_element_type().to_string() in {"i8", "u8"}
    return data.get_type_name() == "FakeQuantize" and is_integer
