"""Takes the mean over an image as the image lies in memory.

The converter keeps images with channels last, and turns one to channels first just to average over
its height and width: the same mean, without turning anything, is over the two axes in the middle.
"""

import numpy as np
from ai_edge_litert import schema_py_generated as schema

from targets.tflite.idle import remove_idle_tensors
from targets.tflite.io import packed

TO_CHANNELS_FIRST = [0, 3, 1, 2]
SPATIAL_FIRST, SPATIAL_LAST = [2, 3], [1, 2]


def pool_in_place(content: bytes) -> bytes:
    """The file with each such pair of operators as one; itself where there is none."""
    model = schema.ModelT.InitFromPackedBuf(content, 0)
    graph = model.subgraphs[0]
    makers = {int(out): one for one in graph.operators for out in one.outputs}
    pairs = [
        (makers[int(one.inputs[0])], one)
        for one in graph.operators
        if _is(model, one, "MEAN") and int(one.inputs[0]) in makers
    ]
    pairs = [pair for pair in pairs if _fits(model, *pair)]
    if not pairs:
        return content
    axes = _constant(model, SPATIAL_LAST)
    for turning, mean in pairs:
        mean.inputs = [int(turning.inputs[0]), axes]
    read = {int(index) for one in graph.operators for index in one.inputs}
    read |= {int(index) for index in graph.outputs}
    idle = [one for one, _ in pairs if int(one.outputs[0]) not in read]
    graph.operators = [one for one in graph.operators if not any(one is each for each in idle)]
    remove_idle_tensors(model)
    return packed(model, len(content))


def _fits(model: schema.ModelT, turning: schema.OperatorT, mean: schema.OperatorT) -> bool:
    return (
        _is(model, turning, "TRANSPOSE")
        and _values(model, int(turning.inputs[1])) == TO_CHANNELS_FIRST
        and sorted(axis % 4 for axis in _values(model, int(mean.inputs[1]))) == SPATIAL_FIRST
        and not mean.builtinOptions.keepDims
    )


def _is(model: schema.ModelT, operator: schema.OperatorT, kind: str) -> bool:
    code = model.operatorCodes[operator.opcodeIndex].builtinCode
    return bool(code == getattr(schema.BuiltinOperator, kind))


def _values(model: schema.ModelT, tensor: int) -> list[int]:
    """The integers of a constant; none of a computed tensor."""
    data = model.buffers[model.subgraphs[0].tensors[tensor].buffer].data
    return [] if data is None else np.frombuffer(bytes(data), np.int32).tolist()


def _constant(model: schema.ModelT, values: list[int]) -> int:
    """The index of a new constant of these int32."""
    graph = model.subgraphs[0]
    buffer, tensor = schema.BufferT(), schema.TensorT()
    buffer.data = np.frombuffer(np.array(values, np.int32).tobytes(), np.uint8)
    model.buffers.append(buffer)
    tensor.name, tensor.shape = b"spatial_axes", [len(values)]
    tensor.type, tensor.buffer = schema.TensorType.INT32, len(model.buffers) - 1
    graph.tensors.append(tensor)
    return len(graph.tensors) - 1
