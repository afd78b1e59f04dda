"""Float .onnx models with the weights of their matrix products in fewer bits."""

import onnx
from onnx import NodeProto, numpy_helper
from onnxruntime.quantization.matmul_nbits_quantizer import MatMulNBitsQuantizer

from targets.errors import ConversionError

BITS = {"int8-weights": 8, "int4-weights": 4}
GROUP = 32
"""Weights along the summed axis that share a scale."""
MULTIPLY_INTEGERS = 4
"""MatMulNBits' accuracy level at which what meets the weights is quantized, too, on the fly."""


def with_small_weights(model: onnx.ModelProto, precision: str) -> onnx.ModelProto:
    """The model with MatMulNBits in the place of each product with a stored matrix.

    Raises ConversionError for float16, which this runtime's CPU kernels do not have.
    """
    if precision == "float16":
        raise ConversionError(
            "ONNX Runtime: its CPU provider has no float16 kernels for convolutions and products, "
            "and casts to float32 and back around each; take scheme: int8, or another runtime"
        )
    _split_gemms(model.graph)
    tool = MatMulNBitsQuantizer(
        model,
        bits=BITS[precision],
        block_size=GROUP,
        is_symmetric=True,
        accuracy_level=MULTIPLY_INTEGERS,
    )
    tool.process()
    made: onnx.ModelProto = tool.model.model
    return made


def _split_gemms(graph: onnx.GraphProto) -> None:
    """Writes each Gemm with a stored matrix as MatMul and Add, in place: the tool knows MatMul."""
    stored = {entry.name: entry for entry in graph.initializer}
    nodes: list[NodeProto] = []
    for node in graph.node:
        options = {entry.name: onnx.helper.get_attribute_value(entry) for entry in node.attribute}
        plain = options.get("alpha", 1.0) == options.get("beta", 1.0) == 1.0
        if node.op_type != "Gemm" or node.input[1] not in stored or not plain:
            nodes.append(node)
        elif not options.get("transA", 0):
            nodes += _product(node, stored[node.input[1]], options.get("transB", 0), graph)
        else:
            nodes.append(node)
    kept = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(kept)


def _product(
    node: NodeProto, weight: onnx.TensorProto, transposed: int, graph: onnx.GraphProto
) -> list[NodeProto]:
    matrix = numpy_helper.to_array(weight)
    name = f"{node.name}_weight"
    graph.initializer.append(numpy_helper.from_array(matrix.T if transposed else matrix, name))
    biased = len(node.input) > 2
    product = f"{node.name}_product" if biased else node.output[0]
    made = [onnx.helper.make_node("MatMul", [node.input[0], name], [product], node.name)]
    if biased:
        adding = [product, node.input[2]]
        made.append(onnx.helper.make_node("Add", adding, node.output, f"{node.name}_bias"))
    return made
