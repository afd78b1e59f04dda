"""Float OpenVINO models with the weights of their matrix products in fewer bits.

A weight becomes integers, a conversion and a product with scales, which the runtime's kernels take
in: they read the integers and multiply in float.
"""

import numpy as np
import openvino
from numpy.typing import NDArray
from openvino import opset13 as ops

BITS = {"int8-weights": 8, "int4-weights": 4}
TYPES = {8: openvino.Type.i8, 4: openvino.Type.i4}
GROUP = 32
"""Weights along the summed axis that share a scale, where there are 4 bits."""


def with_small_weights(model: openvino.Model, precision: str) -> None:
    """Replaces, in place, each stored matrix of a MatMul: 8 bits with a scale per output channel,
    or 4 bits with a scale per group. A matrix that groups do not divide gets one per channel."""
    bits = BITS[precision]
    for node in model.get_ordered_ops():
        stored = node.input_value(1).get_node() if node.get_type_name() == "MatMul" else None
        if stored is None or stored.get_type_name() != "Constant" or len(stored.shape) != 2:
            continue
        if not node.get_attributes()["transpose_b"]:  # kernels take (channels, summed)
            continue
        made = _decompressed(np.asarray(stored.get_data(), np.float32), bits)
        node.input(1).replace_source_output(made.output(0))


def _decompressed(matrix: NDArray[np.float32], bits: int) -> openvino.Node:
    """(O, I) as integers (O, G, I/G) times scales (O, G, 1), in float32 again."""
    channels, summed = matrix.shape
    groups = summed // GROUP if bits == 4 and summed % GROUP == 0 else 1
    grouped = matrix.reshape(channels, groups, -1) if groups > 1 else matrix
    greatest = 2 ** (bits - 1) - 1
    scales = np.maximum(np.abs(grouped).max(axis=-1, keepdims=True) / greatest, 2.0**-126)
    integers = np.clip(np.rint(grouped / scales), -greatest, greatest).astype(np.int8)
    stored = ops.constant(integers, TYPES[bits])
    real = ops.multiply(ops.convert(stored, "f32"), ops.constant(scales.astype(np.float32)))
    if groups == 1:
        return real
    return ops.reshape(real, ops.constant(np.array([channels, summed], np.int64)), False)
