"""Runs an OpenVINO .xml (with its .bin) on the CPU.

Travels to devices: numpy and the runtime only, Python 3.9 syntax.
"""

from typing import Dict, List, Mapping, Optional, Sequence, Tuple, Union

import numpy as np

from targets.artifact import TensorSpec, decode_all, encode_all
from targets.errors import ArtifactError
from targets.measurement import ExecutedOp
from targets.openvino.executed import executed
from targets.openvino.telemetry import declined
from targets.sizes import check_names, fixed, note

with declined():
    import openvino as ov

PRECISION = "float32 (INFERENCE_PRECISION_HINT=f32; quantized operators stay 8 bit)"
UNSUPPORTED = (
    "doesn't contain the operation",
    "unsupported operation",
    "is not supported",
    "not implemented",
)


class Session:
    """One model compiled for latency, its precision pinned: AMX machines else run bfloat16.

    The constructor loads, `prepare` compiles, `invoke` is what is timed. A symbolic first
    dimension becomes 1, any other what `shapes` says, and `notes` tells. Raises ArtifactError for
    symbolic dimensions that nobody fixed, and what OpenVINO raises (RuntimeError) for a file that
    it can't take.
    """

    def __init__(
        self, path: str, threads: int = 1, shapes: Optional[Mapping[str, Sequence[int]]] = None
    ) -> None:
        self._threads = threads
        self._shapes = shapes or {}
        self._core = ov.Core()
        self._model = self._core.read_model(path)
        self.inputs: Tuple[TensorSpec, ...] = ()
        self.outputs: Tuple[TensorSpec, ...] = ()
        self.notes: Tuple[str, ...] = ()

    def prepare(self) -> None:
        """Compiles for the CPU, after fixing open sizes."""
        check_names(self._shapes, [_name(port) for port in self._model.inputs])
        shapes = {port: self._fixed(port) for port in self._model.inputs}
        if any(port.get_partial_shape().is_dynamic for port in shapes):
            self._model.reshape(shapes)
        self._compiled = self._core.compile_model(self._model, "CPU", self._settings())
        self.inputs = tuple(_spec(port) for port in self._compiled.inputs)
        self.outputs = tuple(_spec(port) for port in self._compiled.outputs)
        self._request = self._compiled.create_infer_request()
        self._entered = [self._request.get_input_tensor(i).data for i in range(len(self.inputs))]

    def invoke(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs, both in the tensors' own dtypes.

        Inputs are copied into the request's own tensors: the binding's dictionary of inputs costs
        35 µs more on a 15 µs model.
        """
        for tensor, array in zip(self._entered, raw):
            tensor[...] = array
        self._request.infer()
        tensors = [self._request.get_output_tensor(i) for i in range(len(self.outputs))]
        return [tensor.data.copy() for tensor in tensors]

    def run(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs, cast to the tensors' dtypes on the way in."""
        return decode_all(self.outputs, self.invoke(encode_all(self.inputs, inputs)))

    def executed(self) -> List[ExecutedOp]:
        """The compiled graph's operators and the precision that each runs in."""
        return executed(self._compiled.get_runtime_model(), self._model)

    def _settings(self) -> Dict[str, Union[str, int]]:
        return {
            "INFERENCE_PRECISION_HINT": "f32",
            "INFERENCE_NUM_THREADS": self._threads,
            "NUM_STREAMS": 1,
            "PERFORMANCE_HINT": "LATENCY",
        }

    def _fixed(self, port: ov.Output) -> ov.PartialShape:
        partial = port.get_partial_shape()
        if partial.rank.is_dynamic:
            raise ArtifactError(
                f"input '{_name(port)}' has no number of dimensions; export the model with them"
            )
        shape, name = _sizes(partial), _name(port)
        numbers = fixed(name, shape, self._shapes)
        self.notes += tuple(filter(None, [note(name, shape, numbers)]))
        return ov.PartialShape(list(numbers))


def version() -> str:
    """The installed runtime and its version."""
    return f"openvino {ov.__version__.split('-')[0]}"


def _name(port: ov.Output) -> str:
    return str(port.get_any_name() if port.get_names() else port.get_node().get_friendly_name())


def _spec(port: ov.Output) -> TensorSpec:
    dtype = np.dtype(port.get_element_type().to_dtype()).name
    return TensorSpec(_name(port), _sizes(port.get_partial_shape()), dtype)


def _sizes(shape: ov.PartialShape) -> Tuple[int, ...]:
    return tuple(int(size.get_length()) if size.is_static else -1 for size in shape)
