"""Runs an .onnx file with ONNX Runtime on the CPU.

Travels to devices: numpy and the runtime only, Python 3.9 syntax.
"""

import json
import tempfile
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

import numpy as np
import onnxruntime as ort

from targets.artifact import TensorSpec, decode_all, encode_all
from targets.errors import ArtifactError, ConversionError
from targets.measurement import ExecutedOp
from targets.onnxruntime.executed import dtype, executed
from targets.sizes import check_names, fixed, note

PRECISION = "as in the file"
UNSUPPORTED = ("NOT_IMPLEMENTED", "is not a registered function/op", "No Op registered for")

_WARNINGS = 3  # ONNX Runtime's severity above which its logger keeps quiet


class Session:
    """One model in one session, all graph optimizations on.

    The constructor finds the file, `prepare` reads and optimizes it (the runtime does both at
    once), `invoke` is what is timed. A symbolic first dimension becomes 1, any other what `shapes`
    says, and `notes` tells. Raises ArtifactError for symbolic dimensions that nobody fixed,
    ConversionError for inputs that are no tensors, and what the runtime raises for a file that it
    can't take.
    """

    def __init__(
        self, path: str, threads: int = 1, shapes: Optional[Mapping[str, Sequence[int]]] = None
    ) -> None:
        if not Path(path).is_file():
            raise ArtifactError(f"{path}: no such file")
        self._path = path
        self._threads = threads
        self._shapes = shapes or {}
        self.inputs: Tuple[TensorSpec, ...] = ()
        self.outputs: Tuple[TensorSpec, ...] = ()
        self.notes: Tuple[str, ...] = ()

    def prepare(self) -> None:
        """Reads, optimizes and allocates."""
        self._session = self._opened(self._options())
        entered = [_spec(each) for each in self._session.get_inputs()]
        check_names(self._shapes, [spec.name for spec in entered])
        self.inputs = tuple(self._fixed(spec) for spec in entered)
        self.outputs = tuple(_spec(each) for each in self._session.get_outputs())
        self._entered = [spec.name for spec in self.inputs]
        self._left = [spec.name for spec in self.outputs]

    def invoke(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs, both in the tensors' own dtypes."""
        found: List[np.ndarray] = self._session.run(self._left, dict(zip(self._entered, raw)))
        return found

    def run(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs, cast to the tensors' dtypes on the way in."""
        return decode_all(self.outputs, self.invoke(encode_all(self.inputs, inputs)))

    def executed(self) -> List[ExecutedOp]:
        """The operators that one profiled inference of zeros ran, and the dtype that each took."""
        zeros = {spec.name: np.zeros(spec.shape, spec.dtype) for spec in self.inputs}
        with tempfile.TemporaryDirectory() as folder:
            options = self._options()
            options.enable_profiling = True
            # so that weights are among the inputs that the profile tells of
            options.add_session_config_entry("session.disable_prepacking", "1")
            options.profile_file_prefix = str(Path(folder) / "profile")
            session = self._opened(options)
            session.run(None, zeros)
            events = json.loads(Path(session.end_profiling()).read_text(encoding="utf-8"))
        return executed(events)

    def _options(self) -> ort.SessionOptions:
        options = ort.SessionOptions()
        options.intra_op_num_threads = self._threads
        options.inter_op_num_threads = 1
        options.execution_mode = ort.ExecutionMode.ORT_SEQUENTIAL
        options.graph_optimization_level = ort.GraphOptimizationLevel.ORT_ENABLE_ALL
        options.add_session_config_entry("session.intra_op.allow_spinning", "0")
        options.log_severity_level = _WARNINGS
        return options

    def _opened(self, options: ort.SessionOptions) -> ort.InferenceSession:
        return ort.InferenceSession(self._path, options, providers=["CPUExecutionProvider"])

    def _fixed(self, spec: TensorSpec) -> TensorSpec:
        shape = fixed(spec.name, spec.shape, self._shapes)
        self.notes += tuple(filter(None, [note(spec.name, spec.shape, shape)]))
        return TensorSpec(spec.name, shape, spec.dtype)


def version() -> str:
    """The installed runtime and its version."""
    return f"onnxruntime {ort.__version__}"


def _spec(described: ort.NodeArg) -> TensorSpec:
    kind = described.type  # such as "tensor(float)" or "seq(tensor(float))"
    if not kind.startswith("tensor("):
        raise ConversionError(f"'{described.name}' is a {kind}; only tensors are supported")
    shape = tuple(size if isinstance(size, int) else -1 for size in described.shape)
    return TensorSpec(described.name, shape, dtype(kind[len("tensor(") : -1]))
