"""Exports a graph to TFLite through LiteRT's converter. Desk side: imports torch."""

from pathlib import Path
from types import SimpleNamespace

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
from targets.lowering import ALL_ATTENTION
from targets.products import check_products
from targets.tflite.io import with_float_io
from targets.tflite.pooling import pool_in_place

FOLDED = False
HEAVY = ("CONV_2D", "DEPTHWISE_CONV_2D", "FULLY_CONNECTED", "BATCH_MATMUL")
STATIC = SimpleNamespace(global_config=SimpleNamespace(is_dynamic=False))
"""All that the converter reads of a quantizer: scales are static, fixed by calibration."""


def export(
    module: torch.nn.Module,
    inputs: tuple[torch.Tensor, ...],
    path: Path,
    *,
    precision: Precision,
    activations: Activations = "int8",
    io: Io = "int8",
) -> Path:
    """Writes the graph as a static .tflite for these inputs (batch 1) and returns path.

    `module` is a torch.export graph; for int8 a PT2E-quantized one, weights not folded, and the
    file then has int8 inputs and outputs, or float32 ones where `io` asks for them. The same graph
    gives the same bytes in any process. Of a float graph, weights alone can be in fewer bits.
    Raises ConversionError for what the converter refuses, where int8 was asked for and no operator
    became it, or where small weights would make nothing faster.
    """
    with converting("TFLite"):
        program = specialise(module, inputs, ALL_ATTENTION)
        if precision in SMALL_WEIGHTS:
            check_products(program, "TFLite", precision)
        content = pool_in_place(_convert(program, inputs, precision))
        if precision == "int8":
            _require_int8(content)
        if precision == "int8" and io == "float32":
            content = with_float_io(content)
        if precision not in ("fp32", "int8"):
            from targets.tflite.weights import with_small_weights

            content = with_small_weights(content, precision)
    publish({path: content})
    return path


def _convert(
    program: ExportedProgram, inputs: tuple[torch.Tensor, ...], precision: Precision
) -> bytes:
    import litert_torch
    from litert_torch.quantize.quant_config import QuantConfig

    graph = program.module(check_guards=False)
    quantized = QuantConfig(pt2e_quantizer=STATIC) if precision == "int8" else None
    content: bytes = litert_torch.convert(graph, inputs, quant_config=quantized).model_content()
    return content


def _require_int8(content: bytes) -> None:
    """Without its quantization config, or on folded weights, the converter leaves float operators
    between explicit conversions, and says nothing."""
    from ai_edge_litert import schema_py_generated as schema

    model = schema.ModelT.InitFromPackedBuf(content, 0)
    heavy = {getattr(schema.BuiltinOperator, name) for name in HEAVY}
    for graph in model.subgraphs:
        for operator in graph.operators:
            code = model.operatorCodes[operator.opcodeIndex].builtinCode
            types = {
                graph.tensors[index].type for index in (operator.inputs[0], operator.outputs[0])
            }
            if code in heavy and types == {schema.TensorType.INT8}:
                return
    raise ConversionError(
        "TFLite: no operator of the converted model is int8; the graph has to be quantized, with "
        "weights not folded"
    )
