"""Says global average pooling in ONNX's own word for it.

The converter writes a mean over height and width as ReduceMean, which ONNX Runtime computes in
float only; it has an int8 kernel for GlobalAveragePool, the same function.
"""

import numpy as np
import onnx
from onnx import NodeProto, helper, numpy_helper

SPATIAL = ({2, 3}, {-2, -1})
NONE = np.array([], np.int64)


def name_global_pooling(model: onnx.ModelProto) -> None:
    """Rewrites, in place, every ReduceMean over an image's last two dimensions.

    Where the mean drops them, a Reshape follows; ONNX Runtime quantizes before it.
    Needs the shapes that the converter left in value_info.
    """
    graph = model.graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    ranks = {entry.name: len(entry.type.tensor_type.shape.dim) for entry in graph.value_info}
    nodes: list[NodeProto] = []
    for node in graph.node:
        pools = node.op_type == "ReduceMean" and ranks.get(node.input[0]) == 4
        pools = pools and set(constants.get(node.input[-1], NONE).tolist()) in SPATIAL
        nodes += _pooling(node, graph) if pools else [node]
    replaced = [NodeProto.FromString(node.SerializeToString()) for node in nodes]
    del graph.node[:]
    graph.node.extend(replaced)


def _pooling(node: NodeProto, graph: onnx.GraphProto) -> list[NodeProto]:
    if all(entry.i == 1 for entry in node.attribute if entry.name == "keepdims"):
        return [helper.make_node("GlobalAveragePool", node.input[:1], node.output, node.name)]
    pooled, shape = f"{node.output[0]}_pooled", f"{node.output[0]}_shape"
    graph.initializer.append(numpy_helper.from_array(np.array([0, -1], np.int64), shape))
    return [
        helper.make_node("GlobalAveragePool", node.input[:1], [pooled], node.name),
        helper.make_node("Reshape", [pooled, shape], node.output, f"{node.name}_reshape"),
    ]
