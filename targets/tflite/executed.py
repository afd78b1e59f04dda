"""What LiteRT really executes: its operators, the partitions that delegates took, and their cost.

Travels to devices: numpy and the runtime only, Python 3.9 syntax.
"""

from typing import Any, Dict, List, Mapping, Optional, Sequence, Set, Tuple

import numpy as np

from targets import macs
from targets.measurement import ExecutedOp

DELEGATE = "DELEGATE"
ROLES = {
    "partition": (DELEGATE,),
    "converts": ("QUANTIZE", "DEQUANTIZE", "CAST"),
    "transposes": ("TRANSPOSE",),
    "moves": (
        *("RESHAPE", "SQUEEZE", "EXPAND_DIMS", "SLICE", "STRIDED_SLICE", "SPLIT", "SPLIT_V"),
        *("CONCATENATION", "PACK", "UNPACK", "PAD", "PADV2", "MIRROR_PAD", "GATHER", "GATHER_ND"),
        *(
            "TILE",
            "BROADCAST_TO",
            "DEPTH_TO_SPACE",
            "SPACE_TO_DEPTH",
            "SHAPE",
            "FILL",
            "REVERSE_V2",
        ),
    ),
}
_ROLE_OF = {kind: role for role, kinds in ROLES.items() for kind in kinds}
_UNCOUNTED = ("UNIDIRECTIONAL_SEQUENCE_RNN", "BIDIRECTIONAL_SEQUENCE_RNN", "SVDF", "RNN", "LSTM",
              "UNIDIRECTIONAL_SEQUENCE_LSTM", "BIDIRECTIONAL_SEQUENCE_LSTM", "CONV_3D",
              "CONV_3D_TRANSPOSE", "WHILE", "IF", "CALL_ONCE")  # fmt: skip

Details = Mapping[str, Any]


def executed(operators: Sequence[Details], tensors: Sequence[Details]) -> List[ExecutedOp]:
    """The operators as ExecutedOps; those that a delegate took know its partition.

    Args:
        operators: what the interpreter tells of its nodes: a delegate's node is listed besides
            the ones that it runs.
        tensors: what it tells of its tensors.
    """
    named = {int(each["index"]): str(each["name"]) for each in tensors}
    shapes = {int(each["index"]): _sizes(each["shape"]) for each in tensors}
    partitions = _partitions(operators)
    return [
        ExecutedOp(
            name=_name(each, named),
            type=each["op_name"],
            dtype=_operand(each),
            role=_ROLE_OF.get(each["op_name"], "computes"),
            macs=_macs(each, shapes),
            partition=partitions.get(int(each["index"])),
        )
        for each in operators
    ]


def _name(operator: Details, named: Mapping[int, str]) -> str:
    """The name of the tensor that it makes, without the converter's trail behind it."""
    made = [named.get(int(index), "") for index in operator["outputs"][:1]]
    name = made[0].split(";")[0] if made and operator["op_name"] != DELEGATE else ""
    return name or str(operator["index"])


def _partitions(operators: Sequence[Details]) -> Dict[int, int]:
    """The number of the delegate's node by the index of each operator that it runs.

    An operator is a delegate's where what it makes leads to one of the delegate's outputs without
    passing one of its inputs that the operators made.
    """
    own = [each for each in operators if each["op_name"] != DELEGATE]
    makers = {int(out): each for each in own for out in each["outputs"]}
    found: Dict[int, int] = {}
    delegates = [each for each in operators if each["op_name"] == DELEGATE]
    for number, delegate in enumerate(delegates):
        entered = {int(index) for index in delegate["inputs"]}
        for index in _between(entered, [int(one) for one in delegate["outputs"]], makers):
            found.setdefault(index, number)
    return found


def _between(entered: Set[int], left: Sequence[int], makers: Mapping[int, Details]) -> Set[int]:
    """Indices of the operators on the way back from these tensors to those that entered."""
    inside: Set[int] = set()
    open_ends = list(left)
    while open_ends:
        tensor = open_ends.pop()
        maker = makers.get(tensor)
        if maker is None or int(maker["index"]) in inside:
            continue
        inside.add(int(maker["index"]))
        open_ends += [int(one) for one in maker["inputs"] if int(one) not in entered]
    return inside


def _macs(operator: Details, shapes: Mapping[int, Tuple[int, ...]]) -> Optional[int]:
    kind = operator["op_name"]
    entered = [shapes.get(int(index), ()) for index in operator["inputs"]]
    left = [shapes.get(int(index), ()) for index in operator["outputs"]]
    if kind in ("CONV_2D", "DEPTHWISE_CONV_2D"):
        return macs.of_convolution(left[0], entered[1], left[0][-1])
    if kind == "TRANSPOSE_CONV":  # its first input is the output's shape
        return macs.of_transposed_convolution(entered[2], entered[1], entered[2][-1])
    if kind == "FULLY_CONNECTED":
        return macs.of_product(left[0], entered[1][-1])
    if kind == "BATCH_MATMUL":
        return macs.of_product(left[0], entered[0][-1])
    return None if kind in _UNCOUNTED else 0


def _sizes(shape: Sequence[int]) -> Tuple[int, ...]:
    return tuple(int(size) for size in shape)


def _operand(operator: Details) -> str:
    types = operator["operand_types"] or operator["result_types"]
    return str(np.dtype(types[0]).name) if len(types) else "none"
