"""Makes the 8-bit tensors of a .tflite file outputs of a copy.

Travels to devices: numpy, flatbuffers and the runtime only, Python 3.9 syntax.
"""

from pathlib import Path
from typing import List

import flatbuffers
from ai_edge_litert import schema_py_generated as schema

from targets.agent.layers import Exposed

IDENTIFIER = b"TFL3"


def expose(path: str, copy: str) -> List[Exposed]:
    """Writes the copy; every int8 tensor with one scale that an operator makes is exposed."""
    content = Path(path).read_bytes()
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    outputs = [int(index) for index in graph.outputs]
    found = []
    for index in [int(one) for operator in graph.operators for one in operator.outputs]:
        tensor = graph.tensors[index]
        if not _is_quantized(tensor):
            continue
        if index not in outputs:
            outputs.append(index)
        scale, zero_point = tensor.quantization.scale[0], tensor.quantization.zeroPoint[0]
        place = outputs.index(index)
        found.append(Exposed(tensor.name.decode(), float(scale), int(zero_point), place))
    graph.outputs = outputs
    builder = flatbuffers.Builder(len(content))
    builder.Finish(model.Pack(builder), IDENTIFIER)
    Path(copy).write_bytes(bytes(builder.Output()))
    return found


def _is_quantized(tensor: schema.TensorT) -> bool:
    affine = tensor.quantization
    known = affine is not None and affine.scale is not None and affine.zeroPoint is not None
    return tensor.type == schema.TensorType.INT8 and known and len(affine.scale) == 1
