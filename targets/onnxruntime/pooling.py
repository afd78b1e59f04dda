"""Says global average pooling in ONNX's own word for it.

The converter writes a mean over height and width as ReduceMean, which ONNX Runtime computes in
float only; it has an int8 kernel for GlobalAveragePool, the same function.
"""

import onnx
from onnx import NodeProto, helper, numpy_helper

SPATIAL = ({2, 3}, {-2, -1})


def name_global_pooling(model: onnx.ModelProto) -> None:
    """Rewrites, in place, every ReduceMean over an image's last two dimensions that keeps them.

    Needs the shapes that the converter left in value_info.
    """
    graph = model.graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    ranks = {entry.name: len(entry.type.tensor_type.shape.dim) for entry in graph.value_info}
    for node in graph.node:
        axes = constants.get(node.input[1]) if len(node.input) > 1 else None
        if node.op_type != "ReduceMean" or axes is None:
            continue
        if ranks.get(node.input[0]) == 4 and set(axes.tolist()) in SPATIAL and _keeps(node):
            pool = helper.make_node("GlobalAveragePool", node.input[:1], node.output, node.name)
            node.CopyFrom(pool)


def _keeps(node: NodeProto) -> bool:
    return all(entry.i == 1 for entry in node.attribute if entry.name == "keepdims")
