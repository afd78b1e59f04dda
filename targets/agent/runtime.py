"""The one runtime that a request names, and what every runtime's session module offers."""

import importlib
from typing import List, Mapping, Optional, Protocol, Sequence, Tuple, cast

import numpy as np

from targets.artifact import TensorSpec
from targets.errors import UsageError
from targets.measurement import ExecutedOp

RUNTIMES = ("tflite", "openvino", "onnxruntime")


class Session(Protocol):
    """One loaded model. The constructor loads, `prepare` allocates, `invoke` is what is timed."""

    inputs: Tuple[TensorSpec, ...]
    outputs: Tuple[TensorSpec, ...]
    notes: Tuple[str, ...]

    def prepare(self) -> None:
        """Allocates or compiles; `inputs` and `outputs` are known afterwards."""

    def invoke(self, raw: List[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs in the tensors' own dtypes."""

    def run(self, inputs: Sequence[np.ndarray]) -> List[np.ndarray]:
        """Outputs for inputs as values."""

    def executed(self) -> List[ExecutedOp]:
        """The operators as the runtime really executes them."""


class Opener(Protocol):
    """A session's constructor."""

    def __call__(
        self, path: str, threads: int, shapes: Optional[Mapping[str, Sequence[int]]] = None
    ) -> Session:
        """Loads the model at path; `shapes` are of inputs whose sizes it leaves open, by name."""


class Runtime(Protocol):
    """A session module. Messages that hold one of UNSUPPORTED mean an operator it can't run."""

    UNSUPPORTED: Tuple[str, ...]
    PRECISION: str
    Session: Opener

    def version(self) -> str:
        """The installed runtime and its version."""


def runtime_named(name: str) -> Runtime:
    """Imports the runtime. Raises UsageError for an unknown one, ImportError for a missing one."""
    if name not in RUNTIMES:
        raise UsageError(f"no runtime is called '{name}'; known: {', '.join(RUNTIMES)}")
    return cast(Runtime, importlib.import_module(f"targets.{name}.session"))
