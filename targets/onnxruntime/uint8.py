"""Turns an ONNX model's int8 activations into uint8 ones.

ONNX Runtime's x86 kernels multiply uint8 activations by int8 weights (VPMADDUBSW, VNNI); with int8
activations they take a slower path. Adding 128 to integers and zero points alike changes no value.
"""

import numpy as np
import onnx
from onnx import NodeProto, numpy_helper

from targets.onnxruntime.strip import drop_unused

OFFSET = 128


def to_uint8(model: onnx.ModelProto) -> int:
    """Rewrites, in place, the zero points of activations that are quantized to int8.

    Returns how many QuantizeLinear and DequantizeLinear nodes were rewritten. Weights and other
    constants stay int8.
    """
    constants = _constants(model.graph)
    nodes = [node for node in _activations(model.graph, constants) if _is_int8(node, constants)]
    shifted = {node.input[2]: f"{node.input[2]}_uint8" for node in nodes}
    for name, new in shifted.items():
        zero_point = constants[name].astype(np.int16) + OFFSET
        model.graph.initializer.append(numpy_helper.from_array(zero_point.astype(np.uint8), new))
    for node in nodes:
        node.input[2] = shifted[node.input[2]]
        for attribute in [entry for entry in node.attribute if entry.name == "output_dtype"]:
            node.attribute.remove(attribute)
    drop_unused(model.graph)
    return len(nodes)


def _constants(graph: onnx.GraphProto) -> dict[str, np.ndarray]:
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    for node in graph.node:
        if node.op_type == "Constant" and node.attribute[0].name == "value":
            constants[node.output[0]] = numpy_helper.to_array(node.attribute[0].t)
    return constants


def _activations(graph: onnx.GraphProto, constants: dict[str, np.ndarray]) -> list[NodeProto]:
    """QuantizeLinear nodes on computed values, and the DequantizeLinear nodes that read them."""
    quantize = [
        node
        for node in graph.node
        if node.op_type == "QuantizeLinear" and node.input[0] not in constants
    ]
    made = {node.output[0] for node in quantize}
    read = [
        node for node in graph.node if node.op_type == "DequantizeLinear" and node.input[0] in made
    ]
    return quantize + read


def _is_int8(node: NodeProto, constants: dict[str, np.ndarray]) -> bool:
    zero_point = constants.get(node.input[2]) if len(node.input) > 2 else None
    return zero_point is not None and zero_point.dtype == np.int8
