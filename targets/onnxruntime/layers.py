"""Makes the 8-bit tensors of an .onnx file outputs of a copy. Needs the `onnx` package.

Python 3.9 syntax.
"""

from typing import Dict, List

import numpy as np
import onnx
from onnx import helper, numpy_helper

from targets.agent.layers import Exposed

OFFSET = {np.dtype(np.int8): 0, np.dtype(np.uint8): -128}
"""What makes an integer int8, by its type."""


def expose(path: str, copy: str) -> List[Exposed]:
    """Writes the copy; every tensor that one scale quantizes while the model runs is exposed."""
    model = onnx.load(path)
    graph = model.graph
    constants = {entry.name: numpy_helper.to_array(entry) for entry in graph.initializer}
    places = {entry.name: index for index, entry in enumerate(graph.output)}
    found = []
    for node in graph.node:
        if node.op_type != "QuantizeLinear" or node.input[0] in constants:
            continue
        affine = [constants[name] for name in node.input[1:3] if name in constants]
        if [one.size for one in affine] == [1, 1] and affine[1].dtype in OFFSET:
            found.append(_exposed(node, affine[0], affine[1], graph, places))
    onnx.save(model, copy)
    return found


def _exposed(
    node: onnx.NodeProto,
    scale: np.ndarray,
    zero_point: np.ndarray,
    graph: onnx.GraphProto,
    places: Dict[str, int],
) -> Exposed:
    name = node.output[0]
    if name not in places:
        kind = helper.np_dtype_to_tensor_dtype(zero_point.dtype)
        graph.output.append(helper.make_tensor_value_info(name, kind, None))
        places[name] = len(places)
    offset = OFFSET[zero_point.dtype]
    shifted = int(zero_point.item()) + offset
    return Exposed(node.input[0], float(scale.item()), shifted, places[name], offset)
