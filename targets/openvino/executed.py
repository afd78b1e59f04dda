"""What OpenVINO really executes, read from the graph that it compiled.

Travels to devices: the runtime only, Python 3.9 syntax.
"""

from typing import Dict, List, Mapping, Optional, Set, Tuple, Union

from targets import macs
from targets.measurement import ExecutedOp
from targets.openvino.telemetry import declined

with declined():
    import openvino as ov

ROLES = {
    "converts": ("Convert", "FakeQuantize"),
    "transposes": ("Transpose", "Reorder"),
    "moves": (
        *("Reshape", "Concatenation", "Split", "StridedSlice", "Gather", "GatherND", "Pad", "Tile"),
        *("Broadcast", "DepthToSpace", "SpaceToDepth", "ShapeOf", "ShuffleChannels", "Unsqueeze"),
    ),
}
_ROLE_OF = {kind: role for role, kinds in ROLES.items() for kind in kinds}
_NUMPY_NAMES = {"f": "float", "i": "int", "u": "uint", "bf": "bfloat"}
_GIVEN = ("Const", "Input", "Output")
_QUANTIZING = {"FakeQuantize", "Convert", "Constant"}
_UNCOUNTED = ("TensorIterator", "Loop", "If", "RNNSeq", "LSTMCell", "GRUCell", "RNNCell",
              "DeformableConvolution", "QKVProjection", "LLMMLP", "Composite")  # fmt: skip

Shape = Tuple[int, ...]


def executed(compiled: ov.Model, model: ov.Model) -> List[ExecutedOp]:
    """The compiled graph's operators and the precision that each runs in.

    Args:
        compiled: the compiled model's runtime model. What it computes from constants alone was
            done while compiling, and is left out.
        model: the model that was compiled, which tells what its operators were.
    """
    types = {
        node.get_friendly_name(): str(node.get_type_name()) for node in model.get_ordered_ops()
    }
    constant: Set[str] = set()
    found = []
    for node in compiled.get_ordered_ops():
        told = _told(node)
        feeding = [
            port.get_source_output().get_node().get_friendly_name() for port in node.inputs()
        ]
        if told["layerType"] == "Const" or (feeding and constant.issuperset(feeding)):
            constant.add(node.get_friendly_name())
        elif told["layerType"] not in _GIVEN:
            found.append(_executed(node, told, types))
    return found


def dtype(precision: str) -> str:
    """OpenVINO's word for a type in numpy's terms."""
    letters = precision.rstrip("0123456789")
    return _NUMPY_NAMES.get(letters, letters) + precision[len(letters) :]


def _told(node: ov.Node) -> Dict[str, str]:
    return {name: str(entry.value) for name, entry in node.get_rt_info().items()}


def _executed(node: ov.Node, told: Mapping[str, str], types: Mapping[str, str]) -> ExecutedOp:
    kind = told["layerType"]
    return ExecutedOp(
        name=node.get_friendly_name(),
        type=kind,
        dtype=dtype(told["runtimePrecision"]),
        role="converts" if _only_quantizes(told, types) else _ROLE_OF.get(kind, "computes"),
        macs=_macs(kind, [_shape(port) for port in node.inputs()], _shape(node.output(0))),
    )


def _only_quantizes(told: Mapping[str, str], types: Mapping[str, str]) -> bool:
    """A kernel that was generated for nothing but the rounding of the model's own FakeQuantize."""
    named = told.get("originalLayersNames", "").split(",")
    were = {types[name] for name in named if name in types}
    return told["layerType"] == "Subgraph" and bool(were) and were <= _QUANTIZING


def _macs(kind: str, entered: List[Shape], left: Shape) -> Optional[int]:
    if kind in _UNCOUNTED:
        return None
    if kind == "Convolution":
        return macs.of_convolution(left, entered[1], left[1])
    if kind == "Deconvolution":
        return macs.of_transposed_convolution(entered[0], entered[1], entered[0][1])
    if kind in ("FullyConnected", "MatMul"):
        return macs.of_product(left, entered[0][-1])
    if kind == "ScaledDotProductAttention":
        return macs.of_attention(entered[0], entered[2])
    return 0


def _shape(port: Union[ov.Input, ov.Output]) -> Shape:
    partial = port.get_partial_shape()
    if partial.rank.is_dynamic:
        return (-1,)
    return tuple(size.get_length() if size.is_static else -1 for size in partial)
