"""Exports a graph to ONNX for ONNX Runtime. Desk side: imports torch."""

from pathlib import Path

import onnx
import torch
from onnx import NodeProto
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
from targets.lowering import ALL_ATTENTION
from targets.onnxruntime.pooling import name_global_pooling
from targets.onnxruntime.strip import strip
from targets.onnxruntime.uint8 import to_uint8
from targets.products import check_products

FOLDED = True
HEAVY = frozenset({"Conv", "Gemm", "MatMul"})
FUSED = frozenset({"Relu", "Clip"})


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
    io: Io = "int8",
) -> Path:
    """Writes the graph as a static .onnx for these inputs (batch 1) and returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one with folded weights, whose
    activations become uint8 where asked for: x86 kernels want that, and it changes no value.
    Inputs and outputs stay float32, whatever `io` asks of runtimes whose files have a choice.
    Of a float graph, weights alone can be in fewer bits.
    The same graph gives the same bytes in any process and folder.
    Raises ConversionError for what the converter refuses, where int8 was asked for and no operator
    became it, or where small weights would make nothing faster.
    """
    with converting("ONNX Runtime"):
        program = specialise(module, inputs, ALL_ATTENTION)
        if precision in SMALL_WEIGHTS:
            check_products(program, "ONNX Runtime", precision)
        model = _convert(program, inputs)
        if precision == "int8":
            _require_int8(model.graph)
        if precision == "int8" and activations == "uint8":
            to_uint8(model)
        if precision not in ("fp32", "int8"):
            from targets.onnxruntime.weights import with_small_weights

            model = strip(with_small_weights(model, precision))
    publish({path: model.SerializeToString(deterministic=True)})
    return path


def _convert(program: ExportedProgram, inputs: tuple[torch.Tensor, ...]) -> onnx.ModelProto:
    converted = torch.onnx.export(program, inputs, dynamo=True, verbose=False)
    if converted is None:
        raise ConversionError("ONNX Runtime can't take the model: nothing came of the conversion")
    model = converted.model_proto
    name_global_pooling(model)
    return strip(model)


def _require_int8(graph: onnx.GraphProto) -> None:
    """An operator runs on integers where everything it reads was dequantized and its output is
    quantized again: ONNX Runtime then fuses the three."""
    makers = {output: node for node in graph.node for output in node.output}
    if not any(node.op_type in HEAVY and _is_enclosed(node, graph, makers) for node in graph.node):
        raise ConversionError(
            "ONNX Runtime: no operator of the exported model is int8; the graph has to be "
            "quantized, with folded weights"
        )


def _is_enclosed(node: NodeProto, graph: onnx.GraphProto, makers: dict[str, NodeProto]) -> bool:
    read = [_source(name, makers) for name in node.input[:2]]
    users = _users(node, graph)
    while len(users) == 1 and users[0].op_type in FUSED:
        users = _users(users[0], graph)
    return all(maker is not None and maker.op_type == "DequantizeLinear" for maker in read) and all(
        user.op_type == "QuantizeLinear" for user in users
    )


def _source(name: str, makers: dict[str, NodeProto]) -> NodeProto | None:
    """What makes a value, before it is turned: ONNX Runtime turns stored matrices itself."""
    maker = makers.get(name)
    if maker is not None and maker.op_type == "Transpose":
        return makers.get(maker.input[0])
    return maker


def _users(node: NodeProto, graph: onnx.GraphProto) -> list[NodeProto]:
    return [user for user in graph.node if node.output[0] in user.input]
