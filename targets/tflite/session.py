"""Runs a .tflite file with LiteRT, or with the older tflite_runtime where only that is installed.

Travels to devices: numpy and the runtime only, Python 3.9 syntax.
"""

from importlib import metadata
from typing import Any, Dict, List, Mapping, Optional, Sequence, Tuple

import numpy as np

from targets.artifact import Quantization, TensorSpec, decode_all, encode_all
from targets.measurement import ExecutedOp
from targets.sizes import check_names, fixed, note
from targets.tflite.executed import executed

try:
    from ai_edge_litert.interpreter import Interpreter
except ImportError:
    from tflite_runtime.interpreter import Interpreter

PRECISION = "as in the file"
UNSUPPORTED = ("unresolved custom op", "Didn't find op for builtin opcode", "Select TensorFlow op")


class Session:
    """One model in one interpreter with the default delegate (XNNPACK).

    The constructor loads, `prepare` allocates, `invoke` is what is timed. A symbolic first
    dimension becomes 1, any other what `shapes` says, and `notes` tells. Raises ArtifactError for
    symbolic dimensions that nobody fixed, and what the interpreter raises (ValueError,
    RuntimeError) for a file that it can't take.
    """

    def __init__(
        self, path: str, threads: int = 1, shapes: Optional[Mapping[str, Sequence[int]]] = None
    ) -> None:
        self._shapes = shapes or {}
        self._interpreter = Interpreter(model_path=path, num_threads=threads)
        self.inputs: Tuple[TensorSpec, ...] = ()
        self.outputs: Tuple[TensorSpec, ...] = ()
        self.notes: Tuple[str, ...] = ()

    def prepare(self) -> None:
        """Allocates the tensors, after fixing open sizes."""
        told = self._interpreter.get_input_details()
        check_names(self._shapes, [details["name"] for details in told])
        for details in told:
            self._fix(details)
        self._interpreter.allocate_tensors()
        entered = self._interpreter.get_input_details()
        left = self._interpreter.get_output_details()
        self.inputs = tuple(_spec(details) for details in entered)
        self.outputs = tuple(_spec(details) for details in left)
        self._entered = [details["index"] for details in entered]
        self._left = [details["index"] for details in left]

    def invoke(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs, both in the tensors' own dtypes."""
        for index, array in zip(self._entered, raw):
            self._interpreter.set_tensor(index, array)
        self._interpreter.invoke()
        return [self._interpreter.get_tensor(index) for index in self._left]

    def run(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs, quantized on the way in and dequantized on the way out."""
        return decode_all(self.outputs, self.invoke(encode_all(self.inputs, inputs)))

    def executed(self) -> List[ExecutedOp]:
        """The operators and the dtype of the data that each takes.

        DELEGATE is one partition that XNNPACK runs in place of the operators that it covers.
        """
        return executed(
            self._interpreter._get_ops_details(), self._interpreter.get_tensor_details()
        )

    def _fix(self, details: Dict[str, Any]) -> None:
        shape = tuple(int(size) for size in details.get("shape_signature", details["shape"]))
        numbers = fixed(details["name"], shape, self._shapes)
        if shape != numbers:
            self._interpreter.resize_tensor_input(details["index"], list(numbers))
            self.notes += (note(details["name"], shape, numbers),)


def version() -> str:
    """The installed runtime and its version."""
    for name in ("ai-edge-litert", "tflite-runtime"):
        try:
            return f"{name} {metadata.version(name)}"
        except metadata.PackageNotFoundError:
            continue
    return "unknown"


def _spec(details: Dict[str, Any]) -> TensorSpec:
    scale, zero_point = details["quantization"]
    quantization = Quantization(float(scale), int(zero_point)) if scale else None
    shape = tuple(int(size) for size in details["shape"])
    return TensorSpec(details["name"], shape, np.dtype(details["dtype"]).name, quantization)
