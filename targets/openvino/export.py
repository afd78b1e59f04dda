"""Exports a graph to OpenVINO's IR. Desk side: imports torch."""

import re
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import numpy as np
import torch

from targets.conversion import Activations, Precision, converting, publish, specialise
from targets.errors import ConversionError
from targets.lowering import GROUPED_ATTENTION
from targets.openvino.telemetry import declined

if TYPE_CHECKING:
    import openvino

FOLDED = False
HEAVY = frozenset({"Convolution", "GroupConvolution", "MatMul"})
WEIGHT_PATH = frozenset({"Convert", "Multiply", "Reshape", "Subtract", "Transpose"})
BETWEEN_TAGS = re.compile(rb">\s+<")
NUMBERED = re.compile(r"^\w+_\d+$")


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
) -> Path:
    """Writes the graph as a static .xml with its .bin for these inputs (batch 1); returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one, weights not folded.
    Weights are never compressed to float16. The same graph gives the same bytes in any process.
    Raises ConversionError for what the converter refuses, or where int8 was asked for and no
    operator became it.
    """
    with converting("OpenVINO"):
        model = _convert(module, inputs)
        if precision == "int8":
            _require_int8(model)
        topology, weights = _serialise(model)
    publish({path: topology, path.with_suffix(".bin"): weights})
    return path


def _convert(module: torch.nn.Module, inputs: tuple[torch.Tensor, ...]) -> "openvino.Model":
    with declined():
        import openvino

    shapes = [list(tensor.shape) for tensor in inputs]
    model = openvino.convert_model(specialise(module, inputs, GROUPED_ATTENTION), input=shapes)
    _share_ranges(model)
    _rename(model)
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


def _rename(model: "openvino.Model") -> None:
    """Numbers nodes by their place in the graph: OpenVINO counts them over the whole process."""
    model.set_friendly_name("main_graph")
    for position, node in enumerate(model.get_ordered_ops()):
        if NUMBERED.match(node.get_friendly_name()) and node.get_type_name() != "Parameter":
            node.set_friendly_name(f"{node.get_type_name()}_{position}")


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


def _serialise(model: "openvino.Model") -> tuple[bytes, bytes]:
    """The contents of the .xml, without its indentation (a third of it), and of the .bin."""
    import openvino

    with tempfile.TemporaryDirectory() as folder:
        topology = Path(folder) / "model.xml"
        openvino.save_model(model, topology, compress_to_fp16=False)
        return BETWEEN_TAGS.sub(b"><", topology.read_bytes()), topology.with_suffix(
            ".bin"
        ).read_bytes()
