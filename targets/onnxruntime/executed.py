"""What ONNX Runtime really executes, read from the profile of one inference.

Travels to devices: stdlib only, Python 3.9 syntax.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

from targets import macs
from targets.measurement import ExecutedOp

ROLES = {
    "converts": ("QuantizeLinear", "DequantizeLinear", "DynamicQuantizeLinear", "Cast"),
    "transposes": ("Transpose", "ReorderInput", "ReorderOutput"),
    "moves": (
        *("Reshape", "Flatten", "Squeeze", "Unsqueeze", "Identity", "Concat", "Slice", "Split"),
        *("Gather", "GatherND", "GatherElements", "Pad", "Tile", "Expand", "Shape", "Where"),
        *("DepthToSpace", "SpaceToDepth", "QLinearConcat", "ConstantOfShape", "Range"),
    ),
}
_ROLE_OF = {kind: role for role, kinds in ROLES.items() for kind in kinds}
_NUMPY_NAMES = {"float": "float32", "double": "float64"}
_UNCOUNTED = ("Loop", "Scan", "If", "Attention", "MultiHeadAttention", "GroupQueryAttention",
              "QAttention", "RNN", "Einsum", "DeformConv")  # fmt: skip
_RECURRENT = ("LSTM", "GRU", "DynamicQuantizeLSTM")
_DATA_WEIGHT = {"QLinearConv": (0, 3), "QLinearConvTranspose": (0, 3)}  # scales are in between

Tensors = List[Tuple[str, Tuple[int, ...]]]


def executed(events: Sequence[Mapping[str, Any]]) -> List[ExecutedOp]:
    """The operators that a profile's events tell of, in the order of their execution."""
    return [_executed(event) for event in events if _is_operator(event)]


def dtype(name: str) -> str:
    """ONNX's word for a type in numpy's terms."""
    return _NUMPY_NAMES.get(name, name)


def _is_operator(event: Mapping[str, Any]) -> bool:
    name: str = event["name"]
    return event.get("cat") == "Node" and name.endswith("_kernel_time")


def _executed(event: Mapping[str, Any]) -> ExecutedOp:
    details = event["args"]
    kind = details["op_name"]
    entered = _tensors(details.get("input_type_shape"))
    left = _tensors(details.get("output_type_shape"))
    # QLinearConcat's first input is a scale; what such an operator gives is what it computes in.
    told = (left if kind.startswith("QLinear") else entered) or left or [("none", ())]
    return ExecutedOp(
        name=event["name"][: -len("_kernel_time")],
        type=kind,
        dtype=dtype(told[0][0]),
        role=_ROLE_OF.get(kind, "computes"),
        macs=_macs(kind, [shape for _, shape in entered], [shape for _, shape in left]),
    )


def _tensors(told: Optional[List[Dict[str, List[int]]]]) -> Tensors:
    return [(name, tuple(shape)) for each in told or [] for name, shape in each.items()]


def _macs(
    kind: str, entered: Sequence[Tuple[int, ...]], left: Sequence[Tuple[int, ...]]
) -> Optional[int]:
    if kind in _UNCOUNTED or not entered or not left:
        return None
    if "Conv" in kind and "Transpose" in kind:
        data, weight = (entered[index] for index in _DATA_WEIGHT.get(kind, (0, 1)))
        return macs.of_transposed_convolution(data, weight, data[1])
    if "Conv" in kind:
        return _convolution(kind, entered, left[0])
    if "MatMul" in kind or "Gemm" in kind:
        return macs.of_product(left[0], entered[0][-1])
    if kind in _RECURRENT:  # X (steps, batch, features), W and R with a direction in front
        return macs.of_recurrence(entered[0], entered[0][0], entered[1], entered[2])
    return 0


def _convolution(
    kind: str, entered: Sequence[Tuple[int, ...]], output: Tuple[int, ...]
) -> Optional[int]:
    """The weight's first size is its output channels, also where the runtime has made a block's
    worth of them: such a convolution counts what it really multiplies."""
    index = _DATA_WEIGHT.get(kind, (0, 1))[1]
    if len(entered) <= index or not entered[index]:
        return None
    return macs.of_convolution(output, entered[index], entered[index][0])
